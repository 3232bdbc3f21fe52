from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from qiskit import QuantumCircuit
from safetensors import safe_open
from safetensors.numpy import save

from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.heads.snapshot import load
from chimera_pipelines.quantum.embedding import Embedding
from chimera_pipelines.quantum.record import circuits_from_json
from chimera_pipelines.quantum.write import encode_circuits
from tests.quantum.circuits import ghz, teleport


@pytest.fixture(scope="module")
def head() -> LocalHead:
    return LocalHead("HEAD_1", "quantum", "cpu", memory_bytes=1 << 28)


def _propagated(head, value, shots, **backend):
    circuits, is_list = circuits_from_json(encode_circuits(value)[0])
    return head.propagate(head.embed(circuits, is_list, **backend), shots=shots, seed=3)


CASES = {
    "state": ([ghz(5), ghz(3)], {}),
    "single precision": ([ghz(5)], {"precision": "single"}),
    "outcomes": ([teleport()], {}),
    "matrix product state": ([ghz(5)], {"method": "matrix_product_state"}),
}


@pytest.mark.parametrize(("value", "backend"), CASES.values(), ids=CASES.keys())
def test_a_restored_register_measures_identically(head, value, backend):
    register = _propagated(head, value, 500, **backend)
    data = head.snapshot(register)
    restored = head.restore(data)
    assert restored.nbytes == register.nbytes
    assert head.snapshot(restored) == data
    expected = head.measure(register, shots=500, seed=3)
    assert head.measure(restored, shots=500, seed=3) == expected


_OTHER_PROCESS = """
import json, sys
from chimera_pipelines.heads.local import LocalHead
head = LocalHead("HEAD_2", "quantum", "cpu", memory_bytes=1 << 28)
handle = head.restore(open(sys.argv[1], "rb").read())
print(json.dumps(head.measure(handle, shots=2000, seed=8).as_json()))
"""


def test_another_process_measures_the_same(head, tmp_path):
    register = _propagated(head, [ghz(6), ghz(2)], 2000)
    path = tmp_path / "register.safetensors"
    path.write_bytes(head.snapshot(register))
    done = subprocess.run(
        [sys.executable, "-c", _OTHER_PROCESS, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == head.measure(register, shots=2000, seed=8).as_json()


def test_an_embedded_register_can_be_propagated_after_it_was_restored(head):
    circuit = QuantumCircuit(2)
    circuit.h(1)
    circuit.measure_all()
    circuits, _ = circuits_from_json(encode_circuits(circuit)[0])
    features = Embedding.from_options({"method": "amplitude"}, [1.0, 2.0, 3.0, 4.0])
    first = head.embed(circuits, False, features)
    again = head.restore(head.snapshot(first))
    assert again.stage == "embedded"
    results = [
        head.measure(head.propagate(h, shots=None, seed=0), shots=None, seed=0)
        for h in (first, again)
    ]
    assert results[0] == results[1]


def test_the_file_is_plain_safetensors(head, tmp_path):
    path = tmp_path / "register.safetensors"
    path.write_bytes(head.snapshot(_propagated(head, ghz(3), 10)))
    with safe_open(path, framework="numpy") as file:
        assert list(file.keys()) == ["state0"]
        assert file.get_tensor("state0").shape == (8, 2)
        assert json.loads(file.metadata()["chimera"])["format"] == "chimera.register/1"


def _damaged(head):
    whole = head.snapshot(_propagated(head, ghz(3), 10))
    metadata = {"chimera": json.dumps({"format": "chimera.register/9"})}
    with_other_state = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
    text = with_other_state["__metadata__"]["chimera"]
    return {
        "empty": b"",
        "cut": whole[:-5],
        "noise": bytes(range(256)) * 4,
        "huge header": (1 << 62).to_bytes(8, "little") + whole[8:],
        "another format": save({"x": np.zeros(1)}, metadata=metadata),
        "no metadata": save({"x": np.zeros(1)}),
        "no state": save({"x": np.zeros(1)}, metadata={"chimera": text}),
        "state of another size": save({"state0": np.zeros((4, 2))}, metadata={"chimera": text}),
        "state of zeros": save({"state0": np.zeros((8, 2))}, metadata={"chimera": text}),
        "state of integers": save(
            {"state0": np.zeros((8, 2), dtype=int)}, metadata={"chimera": text}
        ),
        "state of nan": save({"state0": np.full((8, 2), np.nan)}, metadata={"chimera": text}),
    }


def test_damaged_bytes_are_refused(head):
    for name, data in _damaged(head).items():
        with pytest.raises(CheckpointError) as caught:
            load(data)
        assert caught.value.code == "CHIM705", name
