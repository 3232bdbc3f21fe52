"""`evolution` of a kernel, from the document to its output and its errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

BODY = """## Dependencies
```yaml
kernels:
  k:
    inputs: {h: %s, t: %s, x: [0.4]}
    embedding: {method: angle, features: x, axis: ry}
    evolution: {hamiltonian: h, time: t, tolerance: 1.0e-6, order: 4}
    shots: exact
```
## Code_Blocks
```qiskit {#k}
from qiskit import QuantumCircuit

def circuit():
    return QuantumCircuit(1)

def observable():
    return {"X": 1.0}
```
"""


@pytest.fixture
def begun(compiled: Callable[..., Plan], services: Services) -> Iterator[Callable[[str, str], Run]]:
    runs: list[Run] = []

    def begin(hamiltonian: str, time: str) -> Run:
        plan = compiled(BODY % (hamiltonian, time))
        run = open_run(plan, services, run_id=new_run_id(), force=True)
        run.begin()
        runs.append(run)
        return run

    yield begin
    for run in runs:
        run.close()


def output(run: Run) -> Any:
    return phases.run_kernel(run, run.kernels["k"], {}).output


def test_embedded_then_evolved_at_every_time(begun: Callable[[str, str], Run]) -> None:
    """A spin at angle 0.4 turns about z: ⟨X⟩ = sin 0.4 · cos 2t."""
    found = output(begun("{Z: 1.0}", "[0.0, 0.3, 0.9]"))
    expected = [math.sin(0.4) * math.cos(2 * t) for t in (0.0, 0.3, 0.9)]
    assert found["expectation"] == pytest.approx(expected, abs=1e-9)
    assert found["evolution"] == {"order": 4, "steps": 1, "bound": 0.0}


def test_one_time_gives_one_number_and_the_bound_holds(begun: Callable[[str, str], Run]) -> None:
    """About the axis between x and z by π both axes change places: ⟨X⟩ becomes ⟨Z⟩ = cos 0.4."""
    time = math.pi / math.sqrt(2)
    found = output(begun("{Z: 0.5, X: 0.5}", str(time)))
    assert 0 < found["evolution"]["bound"] <= 1e-6
    assert abs(found["expectation"] - math.cos(0.4)) <= 2 * found["evolution"]["bound"] + 1e-9


def test_too_many_steps_are_refused_where_the_block_stands(
    begun: Callable[[str, str], Run],
) -> None:
    run = begun("{Z: 1.0, X: 1.0}", "1.0e+9")
    with pytest.raises(KernelError) as caught:
        output(run)
    assert (caught.value.code, caught.value.phase) == ("CHIM771", "embed")
    assert caught.value.where is not None
    assert caught.value.where.line == run.kernels["k"].block.first_line
