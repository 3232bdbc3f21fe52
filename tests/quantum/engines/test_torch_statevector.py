"""Rows of batches against Qiskit's operators, and what the torch engine refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines import torch_statevector
from chimera_pipelines.quantum.engines.protocol import Engine, Request
from chimera_pipelines.quantum.engines.torch_statevector import TorchEngine, TorchProgram
from chimera_pipelines.quantum.form import Factor, analyse
from chimera_pipelines.quantum.operations import PREPARATIONS, Operation
from chimera_pipelines.quantum.read import to_qiskit
from chimera_pipelines.quantum.record import CircuitRecord
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import QUBITS, ghz, teleport, unitary_records


def _row(record: CircuitRecord, shift: float) -> CircuitRecord:
    """The same structure with other angles and another global phase."""
    steps = tuple(
        replace(step, params=tuple(angle + shift for angle in step.params))
        for step in record.operations
        if step.name not in PREPARATIONS
    )
    return replace(record, operations=steps, global_phase=record.global_phase + shift)


def _start(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = rng.normal(size=4) + 1j * rng.normal(size=4)
    return made / np.linalg.norm(made)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(unitary_records(), st.sampled_from([("double", 1e-12), ("single", 2e-6)]))
def test_each_row_is_qiskits_state_from_its_own_angles_start_and_phase(record, precision):
    name, tolerance = precision
    rows = [_row(record, 0.3 * at) for at in range(3)]
    starts = [_start(at) for at in range(3)]
    made = [
        analyse(row, (Factor((1, 0), tuple(start)),))
        for row, start in zip(rows, starts, strict=True)
    ]
    program = TorchEngine().compile(made[0], method="statevector", precision=name)
    for row, start, state in zip(rows, starts, program.evolve(made), strict=True):
        first = np.zeros(1 << QUBITS, dtype=complex)
        first[:4] = start.reshape(2, 2).T.reshape(-1)  # qubit 1 is the lower bit of a factor
        expected = Operator(to_qiskit(row)).data @ first
        assert np.abs(state - expected).max() < tolerance


def test_passes_are_cut_and_rows_keep_their_places(monkeypatch):
    monkeypatch.setattr(torch_statevector, "CACHED_AMPLITUDES", 1 << 3)
    circuits = []
    for at in range(5):
        circuit = ghz(2).remove_final_measurements(inplace=False)
        circuit.ry(0.1 * at, 0)
        circuit.measure_all()
        circuits.append(Embedded(write_record(circuit)))
    engine: Engine = TorchEngine()
    held = engine.propagate(circuits, Request(10, 0))
    assert engine.compilations == 1
    for at, item in enumerate(held):
        assert item.choice.engine == "torch"
        turned = np.array([np.cos(0.05 * at), np.sin(0.05 * at)]) / np.sqrt(2)
        assert np.allclose(item.state, [turned[0], turned[1], -turned[1], turned[0]])


def test_what_it_refuses():
    middle = _row(analyse(write_record(ghz(3))).body, 0.0)
    prepared = replace(
        middle,
        operations=(
            *middle.operations,
            Operation("state_preparation", (0,), entries=(0.6 + 0j, 0.8 + 0j)),
        ),
    )
    for form, method in (
        (analyse(write_record(teleport())), "statevector"),
        (analyse(write_record(ghz(3))), "density_matrix"),
        (analyse(prepared), "statevector"),
    ):
        with pytest.raises(KernelError) as caught:
            TorchEngine().compile(form, method=method, precision="double")
        assert caught.value.code == "MAML319"
        assert caught.value.hint


def _structure(count: int) -> CircuitRecord:
    circuit = QuantumCircuit(8)
    for at in range(count):
        for q in range(7):
            circuit.rzz(0.1 * at + q, q, q + 1)
        circuit.rx(0.3, range(8))
    return write_record(circuit)


def _compiled(engine: TorchEngine, record: CircuitRecord) -> TorchProgram:
    return engine.compile(analyse(record), method="statevector", precision="double")


def test_kept_programs_are_bounded_in_bytes_and_the_one_used_last_stays(monkeypatch):
    records = [_structure(count) for count in (1, 2, 3)]
    sizes = [_compiled(TorchEngine(), record).simulator.nbytes for record in records]
    monkeypatch.setattr(torch_statevector, "MAX_PROGRAM_BYTES", sizes[0] + sizes[2])
    engine = TorchEngine()
    first = _compiled(engine, records[0])
    _compiled(engine, records[1])
    assert _compiled(engine, records[0]) is first
    _compiled(engine, records[2])
    assert _compiled(engine, records[0]) is first
    assert engine.compilations == 3
    _compiled(engine, records[1])
    assert engine.compilations == 4


def test_a_program_beyond_all_bytes_is_used_and_not_kept(monkeypatch):
    monkeypatch.setattr(torch_statevector, "MAX_PROGRAM_BYTES", 100)
    engine = TorchEngine()
    (state,) = _compiled(engine, _structure(1)).evolve([analyse(_structure(1))])
    assert np.linalg.norm(state) == pytest.approx(1.0)
    _compiled(engine, _structure(1))
    assert engine.compilations == 2


def test_kept_programs_are_bounded_in_number(monkeypatch):
    monkeypatch.setattr(torch_statevector, "MAX_PROGRAMS", 1)
    engine = TorchEngine()
    for count in (1, 2, 1):
        _compiled(engine, _structure(count))
    assert engine.compilations == 3
