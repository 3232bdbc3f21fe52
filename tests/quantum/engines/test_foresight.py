from __future__ import annotations

import pytest

from chimera_pipelines.quantum.engines.foresight import foresee
from chimera_pipelines.quantum.planner import Tools

ALL = Tools(qsim=True, cones=True, tensor=True)
NONE = Tools()


@pytest.mark.parametrize(
    ("backend", "qubits", "tools", "said"),
    [
        ({}, None, ALL, "automatic: chosen when"),
        ({}, 10, ALL, "aer statevector, 10 qubits: 16 KiB"),
        ({"precision": "single"}, 20, ALL, "qsim statevector, 20 qubits: 8 MiB"),
        ({"precision": "single"}, 20, NONE, "aer statevector, 20 qubits: 8 MiB"),
        ({}, 24, ALL, "stabilizer if all gates are Clifford"),
        ({}, 38, ALL, "no state vector, 38 qubits are 4 TiB"),
        ({}, 38, NONE, "wider ones need the extra 'tensor'"),
        ({"method": "statevector", "precision": "single"}, 38, ALL, "refused: .* is 2 TiB"),
        ({"method": "matrix_product_state"}, 127, ALL, "aer matrix_product_state, asked for"),
        ({"method": "density_matrix"}, 5, ALL, "5 qubits squared: 16 KiB"),
        ({"noise": {"readout": 0.1}}, 5, ALL, "aer density_matrix"),
        ({"method": "tensor_network"}, 100, ALL, "contracted by quimb"),
        ({"method": "tensor_network"}, 100, NONE, "install the extra 'tensor'"),
    ],
)
def test_what_a_plan_says_of_an_engine(backend, qubits, tools, said):
    import re

    assert re.search(said, foresee(backend, qubits, tools))


@pytest.mark.parametrize(
    ("backend", "qubits", "said"),
    [
        ({}, 48, "over 48 qubits are over 4 PiB"),
        ({"method": "statevector"}, 48, "over 48 qubits is over 4 PiB"),
        ({"noise": {}}, 24, "over 24 qubits squared: over 4 PiB"),
    ],
)
def test_a_width_that_the_plan_holds_no_more_is_said_to_be_more(backend, qubits, said):
    assert said in foresee(backend, qubits, ALL, wider=True)
