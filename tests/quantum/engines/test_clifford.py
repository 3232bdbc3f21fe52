from __future__ import annotations

import math
from dataclasses import replace

import pytest
from qiskit.quantum_info import Operator

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.engines.clifford import NATIVE, lower
from chimera_pipelines.quantum.gates import GATES
from chimera_pipelines.quantum.operations import Condition, Operation, Register
from chimera_pipelines.quantum.read import to_qiskit
from chimera_pipelines.quantum.record import CircuitRecord


def _record(*steps: Operation) -> CircuitRecord:
    return CircuitRecord(3, (Register("q", (0, 1, 2)),), 1, (Register("c", (0,)),), steps)


TURNS = ("rx", "ry", "rz", "p")
ANGLES = [k * math.pi / 2 for k in range(-1, 4)]
CASES = [
    *(Operation(name, (2, 0)[: kind.qubits]) for name, kind in GATES.items() if kind.clifford),
    *(Operation(name, (1,), params=(angle,)) for name in TURNS for angle in ANGLES),
    Operation("rzz", (1, 0), params=(math.pi / 2,)),
    Operation("cp", (1, 2), params=(math.pi,)),
    Operation("u", (1,), params=(math.pi / 2, 0.0, math.pi)),
    Operation("unitary", (0,), entries=(0, 1, 1, 0)),
]  # fmt: skip


@pytest.mark.parametrize("step", CASES, ids=lambda step: f"{step.name}{step.params}")
def test_a_clifford_gate_is_lowered_to_the_same_operator(step):
    lowered = lower(_record(step))
    assert {part.name for part in lowered.operations} <= NATIVE
    expected = Operator(to_qiskit(replace(_record(step), num_clbits=0, cregs=())))
    assert Operator(to_qiskit(replace(lowered, num_clbits=0, cregs=()))).equiv(expected)


@pytest.mark.parametrize(
    "step",
    [
        Operation("t", (0,)),
        Operation("rx", (0,), params=(0.1,)),
        Operation("ccx", (0, 1, 2)),
        Operation("state_preparation", (0,), entries=(0.6, 0.8)),
        Operation("if", condition=Condition((0,), 1), body=(Operation("t", (0,)),)),
    ],
    ids=lambda step: step.name,
)
def test_other_gates_are_refused(step):
    with pytest.raises(KernelError, match="no Clifford gate") as caught:
        lower(_record(step))
    assert caught.value.code == "MAML319"
