from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from qiskit.quantum_info import Operator

from chimera_pipelines.quantum.engines.translation import fits_qsim, matrix
from chimera_pipelines.quantum.form import analyse
from chimera_pipelines.quantum.operations import PREPARATIONS, Operation, Register
from chimera_pipelines.quantum.read import to_instruction
from chimera_pipelines.quantum.record import CircuitRecord
from tests.quantum.circuits import gate_steps


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(step=gate_steps().filter(lambda step: step.name not in PREPARATIONS))
def test_matrices_are_those_of_qiskit(step):
    assert np.abs(matrix(step) - Operator(to_instruction(step)).data).max() < 1e-12


@pytest.mark.parametrize(
    ("step", "fits"),
    [
        (Operation("mcx", tuple(range(6))), True),
        (Operation("mcx", tuple(range(7))), False),
        (Operation("state_preparation_dg", (0,), entries=(1, 0)), False),
    ],
)
def test_what_qsim_takes(step, fits):
    record = CircuitRecord(7, (Register("q", tuple(range(7))),), 0, (), (step,))
    assert fits_qsim(analyse(record)) is fits
