from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from qiskit.quantum_info import Operator

from chimera_pipelines.quantum.gates import GATES
from chimera_pipelines.quantum.operations import Operation, RecordError, Register
from chimera_pipelines.quantum.read import to_qiskit
from chimera_pipelines.quantum.record import CircuitRecord
from chimera_pipelines.quantum.statevector.circuit import angles_of, program_of
from chimera_pipelines.quantum.statevector.simulator import Simulator
from tests.quantum.circuits import unitary_records


def record(width: int, *operations: Operation, phase: float = 0.0) -> CircuitRecord:
    return CircuitRecord(width, (Register("q", tuple(range(width))),), 0, (), operations, phase)


def matrix(item: CircuitRecord, precision: str = "double") -> np.ndarray:
    """The whole operator: every basis state run as one batch."""
    simulator = Simulator(program_of(item), precision=precision)
    basis = torch.eye(1 << item.num_qubits, dtype=simulator.dtype)
    return simulator.run(simulator.parameters(angles_of(item)), basis).numpy().T


@pytest.mark.parametrize("name", sorted(GATES))
def test_every_gate_of_the_table_is_qiskits_operator_with_its_phase(name):
    kind = GATES[name]
    rng = np.random.default_rng(len(name))
    for width, size in ((5, kind.qubits or 4), (6, kind.qubits or 5)):
        qubits = tuple(int(q) for q in rng.permutation(width)[:size])
        params = tuple(float(x) for x in rng.uniform(-6, 6, kind.angles))
        item = record(width, Operation(name, qubits, params=params))
        assert np.abs(matrix(item) - Operator(to_qiskit(item)).data).max() < 1e-13


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(unitary_records(steps=20))
def test_fused_circuits_are_qiskits_operators(item):
    kept = tuple(step for step in item.operations if not step.name.startswith("state_prep"))
    item = record(item.num_qubits, *kept, phase=item.global_phase)
    expected = Operator(to_qiskit(item)).data
    assert np.abs(matrix(item) - expected).max() < 1e-12
    assert np.abs(matrix(item, "single") - expected).max() < 1e-5


def test_layers_fuse_whichever_way_they_are_written():
    layers, columns = [], []
    for axis in ("ry", "rz"):
        layers += [Operation(axis, (q,), params=(0.1 * q,)) for q in range(4)]
    for q in range(4):
        columns += [Operation(axis, (q,), params=(0.1 * q,)) for axis in ("ry", "rz")]
    assert program_of(record(4, *layers)).steps[1:] != ()
    kinds = [[type(s).__name__ for s in program_of(record(4, *x)).steps] for x in (layers, columns)]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) == 3  # the global phase, then both layers


@pytest.mark.parametrize(
    "step",
    [
        Operation("measure", (0,), (0,)),
        Operation("reset", (0,)),
        Operation("state_preparation", (0,), entries=(0j, 1 + 0j)),
    ],
)
def test_what_a_program_cannot_hold_is_refused(step):
    with pytest.raises(RecordError, match=step.name) as caught:
        program_of(record(2, step))
    assert caught.value.code == "MAML319"
