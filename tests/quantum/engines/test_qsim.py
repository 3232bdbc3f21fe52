"""States are compared in test_agreement.py; here, what qsim refuses and keeps."""

from __future__ import annotations

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.engines.protocol import Engine
from chimera_pipelines.quantum.engines.qsim import QsimEngine
from chimera_pipelines.quantum.form import analyse
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import ghz, teleport


@pytest.mark.parametrize(
    ("circuit", "method", "precision"),
    [
        (ghz(3), "statevector", "double"),
        (ghz(3), "density_matrix", "single"),
        (teleport(), "statevector", "single"),
    ],
)
def test_what_qsim_refuses(circuit, method, precision):
    engine: Engine = QsimEngine()
    with pytest.raises(KernelError) as caught:
        engine.compile(analyse(write_record(circuit)), method=method, precision=precision)
    assert caught.value.code == "MAML319"
    assert caught.value.hint


def test_a_structure_is_compiled_once():
    engine = QsimEngine()
    for _ in range(2):
        form = analyse(write_record(ghz(3)))
        engine.compile(form, method="statevector", precision="single")
    assert engine.compilations == 1
