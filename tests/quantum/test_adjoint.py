from __future__ import annotations

import math

import numpy as np
import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.adjoint import adjoint
from chimera_pipelines.quantum.gates import GATES
from chimera_pipelines.quantum.operations import Operation
from tests.quantum.dense import blank, unitary

WITHOUT = {"rcccx"}
ANGLES = (0.7, -1.1, 2.3, 0.4)


def step(name: str) -> Operation:
    kind = GATES[name]
    qubits = tuple(range(kind.qubits if kind.qubits is not None else 3))
    return Operation(name, qubits, params=ANGLES[: kind.angles])


@pytest.mark.parametrize("name", sorted(set(GATES) - WITHOUT))
def test_every_gate_is_undone(name):
    one = step(name)
    width = max(one.qubits) + 1
    made = unitary(blank(width, one, *adjoint([one])))
    assert np.abs(made - np.eye(1 << width)).max() < 1e-12


def test_a_sequence_is_undone_backwards():
    steps = [step("h"), step("cx"), step("t"), step("rzx")]
    assert np.abs(unitary(blank(2, *steps, *adjoint(steps))) - np.eye(4)).max() < 1e-12


def test_matrices_and_preparations_are_undone():
    gate = np.array([[1, 1j], [1j, 1]]) / math.sqrt(2)
    one = Operation("unitary", (0,), entries=tuple(gate.ravel()))
    assert np.abs(unitary(blank(1, one, *adjoint([one]))) - np.eye(2)).max() < 1e-12
    (there,) = adjoint([Operation("state_preparation", (0,), entries=(0.6, 0.8j))])
    assert there.name == "state_preparation_dg"
    assert adjoint([there])[0].name == "state_preparation"


@pytest.mark.parametrize("name", ["measure", "reset", "if", "rcccx"])
def test_what_cannot_be_undone_is_319(name):
    with pytest.raises(KernelError) as caught:
        adjoint([Operation(name, (0,))])
    assert caught.value.code == "MAML319"
