"""Rows of batches against Qiskit's operators, and what the torch engine refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import Operator

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines import torch_statevector
from chimera_pipelines.quantum.engines.protocol import Engine, Request
from chimera_pipelines.quantum.engines.torch_statevector import TorchEngine
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
