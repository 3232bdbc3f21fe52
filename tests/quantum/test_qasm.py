from __future__ import annotations

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.qasm import parse_qasm
from chimera_pipelines.quantum.record import circuits_from_json

PROGRAM = """OPENQASM 3.0;
include "stdgates.inc";
input float theta;
input angle[32] phi;
qubit[2] q;
qubit a;
bit[2] c;
bit d;
bit[1] e;
gate turn(x) z { rx(x) z; h z; }
h q[0];
turn(theta) q[1];
rz(phi) q[0];
c = measure q;
d = measure a;
if (c == 2) { x q[0]; } else { z a; }
for int i in [0:2] { x q[1]; }
e[0] = measure q[0];
"""


def _one(source, **inputs):
    circuits, several = circuits_from_json(parse_qasm(source, inputs))
    assert not several
    return circuits[0]


def test_a_program_becomes_a_record():
    record = _one(PROGRAM, theta=0.1, phi=0.25, unused=1)
    assert [step.name for step in record.operations] == [
        *("h", "rx", "h", "rz", "measure", "measure", "measure", "if", "x", "x", "x", "measure"),
    ]
    assert record.operations[1].params == (0.1,)
    assert record.operations[3].params == (0.25,)


def test_registers_have_the_names_of_the_program_lone_bits_too():
    assert parse_qasm(PROGRAM, {"theta": 1, "phi": 1})["registers"] == ["e", "d", "c"]


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("OPENQASM 3.0;\nqubit q;\nfoo q;", "MAML314", "line 3: gate 'foo' is not defined"),
        ("OPENQASM 3.0;\nqubit q\nx q;", "MAML314", "line 3"),
        ('OPENQASM 3.0;\ninclude "/etc/passwd";', "MAML314", "line 2"),
        ("OPENQASM 3.0; input float x; qubit q; U(x, 0, 0) q;", "MAML408", "'x'"),
        ("OPENQASM 3.0;\nqubit q; \N{SNOWMAN} q;", "MAML314", "line 2"),
    ],
)
def test_bad_programs_are_placed(source, code, words):
    with pytest.raises(KernelError, match=words) as caught:
        parse_qasm(source, {})
    assert caught.value.code == code


def test_an_input_that_is_no_number_is_refused():
    with pytest.raises(KernelError) as caught:
        parse_qasm("OPENQASM 3.0; input float x; qubit q; U(x, 0, 0) q;", {"x": "1"})
    assert caught.value.code == "MAML505"
