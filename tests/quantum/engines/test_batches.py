from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.quantum import sampling
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines import batches
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.planned import PlannedEngine
from chimera_pipelines.quantum.engines.protocol import Request
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.planner import Tools, jobs
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import ghz, teleport


def _rows(width: int, count: int) -> list[Embedded]:
    made = []
    for at in range(count):
        circuit = QuantumCircuit(width)
        for qubit in range(width):
            circuit.ry(0.1 * at + qubit, qubit)
        for qubit in range(width - 1):
            circuit.cx(qubit, qubit + 1)
        circuit.measure_all()
        made.append(Embedded(write_record(circuit)))
    return made


def _engines(circuits: list[Embedded], method: str = "automatic") -> list[str]:
    request = Request(1, 0, method=method)
    return [job.choice.engine for job in jobs(circuits, request, Tools(batches=True))]


@pytest.mark.parametrize(
    ("width", "count", "engine"),
    [(12, 63, "aer"), (12, 64, "torch"), (10, 256, "torch"), (13, 64, "aer"), (4, 200, "aer")],
)
def test_rows_of_one_structure_are_a_batch_where_that_pays(width, count, engine):
    assert set(_engines(_rows(width, count))) == {engine}


def test_others_in_the_run_stay_where_they_were(monkeypatch):
    monkeypatch.setattr(batches, "MIN_AMPLITUDES", 1)
    circuits = [Embedded(write_record(teleport())), *_rows(3, 8), Embedded(write_record(ghz(3)))]
    assert _engines(circuits) == ["aer", *["torch"] * 8, "aer"]
    assert set(_engines(_rows(3, 7))) == {"aer"}
    assert set(_engines(_rows(3, 8), "density_matrix")) == {"aer"}
    (job, *_) = jobs(_rows(3, 8), Request(1, 0), Tools(batches=True))
    assert "8 circuits of one structure" in job.choice.reason


def test_a_batch_gives_aers_states_and_counts(monkeypatch):
    monkeypatch.setattr(batches, "MIN_AMPLITUDES", 1)
    circuits, request = _rows(6, 16), Request(500, 3)
    mine = PlannedEngine(tools=Tools(batches=True)).propagate(circuits, request)
    aers = AerEngine().propagate(circuits, request)
    for at, (one, other) in enumerate(zip(mine, aers, strict=True)):
        assert (one.choice.engine, other.choice.engine) == ("torch", "aer")
        assert (one.record, one.measured) == (other.record, other.measured)
        assert np.abs(one.state - other.state).max() < 1e-12
        observable = Observable.from_json({"ZXIIYZ": 1.0}, 6)
        values = [sampling.expectation(state, observable) for state in (one.state, other.state)]
        assert values[0] == pytest.approx(values[1], abs=1e-12)
        counts = [
            sampling.sample(item.state, 500, sampling.generator(3, at)) for item in (one, other)
        ]
        assert counts[0] == counts[1]
