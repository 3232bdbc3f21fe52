from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from chimera_pipelines.errors import KernelError
from chimera_pipelines.learning import devices
from chimera_pipelines.learning.checkpoint import Checkpoint, LearningCheckpointError
from chimera_pipelines.learning.circuits import layered
from chimera_pipelines.learning.vqe import Descending, Minimiser, ansatz_minimiser, vqe
from chimera_pipelines.quantum.observables import Observable
from tests.quantum.statevector import dense

# Hydrogen at 0.735 Å in STO-3G, parity mapping: O'Malley et al., Phys. Rev. X 6, 031007 (2016) has
# the form; the eigenvalue is computed below, not quoted.
H2 = {
    "II": -1.052373245772859,
    "IZ": 0.39793742484318045,
    "ZI": -0.39793742484318045,
    "ZZ": -0.01128010425623538,
    "XX": 0.18093119978423156,
}
ISING = {"ZZI": -1.0, "IZZ": -1.0, "XII": -0.7, "IXI": -0.7, "IIX": -0.7}


@pytest.mark.parametrize("strings", [H2, ISING])
def test_the_lowest_energy_is_the_lowest_eigenvalue(strings):
    observable = Observable.from_json(strings, len(next(iter(strings))))
    exact = np.linalg.eigvalsh(dense.operator(strings))[0]
    options = Descending(iterations=250, rate=0.1, starts=3, seed=1)
    found = vqe(observable, layers=2, options=options, device="cpu")
    assert exact - 1e-9 <= found.energy < exact + 1e-5
    assert found.descent.losses[0] > found.descent.losses[-1]


def test_equal_seeds_give_equal_bits_and_others_do_not():
    observable = Observable.from_json(ISING, 3)
    runs = [
        vqe(observable, options=Descending(iterations=5, seed=seed), device="cpu").parameters
        for seed in (3, 3, 4)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_a_checkpoint_is_gone_on_from_and_guards_its_problem(tmp_path):
    observable = Observable.from_json(ISING, 3)
    keeping = partial(Checkpoint, tmp_path / "vqe.safetensors")

    def run(iterations, seed=0, **options):
        descending = Descending(iterations=iterations, seed=seed)
        return vqe(observable, options=descending, device="cpu", **options)

    whole = run(12)
    run(5, keeping=keeping)
    again = run(12, keeping=keeping)
    assert again.parameters == whole.parameters
    assert again.descent.losses == whole.descent.losses
    with pytest.raises(LearningCheckpointError, match="another problem"):
        run(12, seed=9, keeping=keeping)


SCRIPT = """
import sys, time
from functools import partial
from pathlib import Path
import torch
torch.set_num_threads(1)
from chimera_pipelines.learning import vqe
from chimera_pipelines.learning.checkpoint import Checkpoint
from chimera_pipelines.quantum.observables import Observable
slow = sys.argv[2] == "slow"
if slow:
    step = vqe.Minimiser.__call__
    vqe.Minimiser.__call__ = lambda self, x: (time.sleep(0.05), step(self, x))[1]
strings = {"ZZI": -1.0, "IZZ": -1.0, "XII": -0.7, "IXI": -0.7, "IIX": -0.7}
found = vqe.vqe(Observable.from_json(strings, 3), device="cpu",
                keeping=partial(Checkpoint, Path(sys.argv[1])),
                options=vqe.Descending(iterations=60, seed=5))
print(found.parameters)
"""


def test_a_run_that_is_killed_goes_on_and_ends_with_identical_parameters(tmp_path):
    def start(name, speed):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / name), speed]
        return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ}, text=True)

    killed = start("a.safetensors", "slow")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (tmp_path / "a.safetensors").exists():
            break
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    done = len(load_file(tmp_path / "a.safetensors")["losses"])
    assert 1 <= done < 60
    outputs = [start(name, "fast").communicate()[0] for name in ("a.safetensors", "b.safetensors")]
    assert outputs[0] == outputs[1] != ""
    kept = [load_file(tmp_path / name) for name in ("a.safetensors", "b.safetensors")]
    assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])


def test_what_does_not_fit_or_is_not_known_is_refused():
    with pytest.raises(KernelError, match="from 1 to 30") as caught:
        vqe(Observable.from_json({"Z" * 31: 1.0}, 31), device="cpu")
    assert caught.value.code == "MAML505"
    observable = Observable.from_json({"ZZ": 1.0}, 2)
    with pytest.raises(KernelError, match="no precision 'half'"):
        Minimiser(layered(2, 1), observable, device="cpu", precision="half", starts=1)


def test_tables_are_counted_before_they_are_made(monkeypatch):
    monkeypatch.setattr(devices, "room", lambda _: 5 * 16 << 12)
    strings = {"".join(row): 1.0 for row in np.random.default_rng(0).choice(list("XYZ"), (50, 12))}
    observable = Observable.from_json(strings, 12)
    with pytest.raises(KernelError, match="4 states of 12 qubits and their tables take") as caught:
        ansatz_minimiser(observable, 2, device="cpu", precision="double", starts=1)
    assert caught.value.code == "MAML413"
