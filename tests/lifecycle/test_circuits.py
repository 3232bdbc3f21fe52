"""Shots of a document: numbers, exact and budgets, from the text to what is published."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.lifecycle import phases
from chimera_pipelines.lifecycle.circuits import spent
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

BODY = """## Dependencies
```yaml
kernels:
  k: {shots: SHOTS}
```
## Code_Blocks
```qiskit {#k}
from qiskit import QuantumCircuit
def circuit():
    made = []
    for angle in (0.3, 1.2):
        qc = QuantumCircuit(2)
        qc.ry(angle, 0)
        qc.cx(0, 1)
        MEASURE
        made.append(qc)
    return made
REST
```
"""
OBSERVABLE = 'def observable():\n    return {"ZZ": 1.0, "ZI": 0.5, "XX": 2.0}\n'
POST = "def post(expectation, error, shots):\n    return {'e': error, 'n': shots}\n"


@pytest.fixture
def published(
    compiled: Callable[..., Plan], services: Services
) -> Iterator[Callable[..., dict[str, Any]]]:
    runs: list[Run] = []

    def publish(shots: str, rest: str = "", measure: str = "pass") -> dict[str, Any]:
        text = BODY.replace("SHOTS", shots).replace("REST", rest).replace("MEASURE", measure)
        run = open_run(compiled(text), services, run_id=new_run_id(), force=True)
        runs.append(run)
        run.begin()
        found = phases.run_kernel(run, run.kernels["k"], {}).output
        assert isinstance(found, dict)
        return found

    yield publish
    for run in runs:
        run.close()


def test_a_number_publishes_what_it_always_did(published):
    found = published("500", OBSERVABLE)
    assert set(found) == {"expectation", "shots"}
    assert found["shots"] == 500
    assert set(published("500", measure="qc.measure_all()")) == {"counts", "shots"}


def test_a_budget_publishes_its_shots_and_errors(published):
    """Values within 6 standard errors: false failure below 1e-8."""
    found = published("{error: 0.02, max: 1000000}", OBSERVABLE)
    assert set(found) == {"expectation", "shots", "error"}
    for angle, value, error, shots in zip(
        (0.3, 1.2), found["expectation"], found["error"], found["shots"], strict=True
    ):
        exact = 1.0 + 0.5 * math.cos(angle) + 2.0 * math.sin(angle)
        assert 0.0 < error <= 0.02
        assert abs(value - exact) < 6 * error
        assert 1000 < shots < 100_000


def test_a_budget_of_counts_fixes_their_number(published):
    found = published("{error: 0.02, max: 1000000}", measure="qc.measure_all()")
    assert set(found) == {"counts", "shots"}
    assert found["shots"] == [625, 625]
    assert [sum(counts.values()) for counts in found["counts"]] == [625, 625]


def test_post_gets_the_error_and_what_was_spent(published):
    found = published("2000", OBSERVABLE + POST)
    assert found["n"] == 2000
    assert all(0.0 < error < 0.1 for error in found["e"])
    assert published("{error: 0.05, max: 100000}", OBSERVABLE + POST)["n"] != [100_000] * 2


def test_a_default_of_post_stands_where_there_is_no_error(published):
    post = "def post(expectation, error=0.25):\n    return {'e': error}\n"
    assert published("exact", OBSERVABLE + post) == {"e": 0.25}


def test_equal_seeds_spend_equal_budgets(published):
    first = published("{error: 0.02, max: 1000000}", OBSERVABLE)
    assert published("{error: 0.02, max: 1000000}", OBSERVABLE) == first


def test_a_budget_below_two_shots_a_basis_is_refused_at_the_kernel(published):
    with pytest.raises(KernelError) as caught:
        published("{error: 0.02, max: 3}", OBSERVABLE)
    assert caught.value.code == "MAML319"
    assert caught.value.where is not None


def test_an_observable_that_is_not_hermitian_is_refused(published):
    with pytest.raises(KernelError) as caught:
        published("100", 'def observable():\n    return {"ZZ": 1j}\n')
    assert caught.value.code == "MAML904"
    assert caught.value.where is not None


def test_what_is_not_known_is_not_there():
    payload = {"measurements": {"results": [{"expectation": 1.0}], "list": False}}
    assert spent(payload) == {}
