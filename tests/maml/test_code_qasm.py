from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.code_facts import inspect_block
from tests.maml.kernels import block, inspect

HEAD = 'OPENQASM 3.0; include "stdgates.inc"; '


def test_inputs_and_width():
    facts, found = inspect(
        "qasm",
        HEAD + "const int n = 2; input float theta; input angle[32] phi;\n"
        "qubit[n] q; qubit r; rx(theta) q[0]; cp(phi) q[1], r;",
    )
    assert found == []
    assert (facts.entry, facts.qubits) == ("program", 3)
    assert [p.name for p in facts.parameters] == ["theta", "phi"]
    assert {(p.span.line, p.span.column) for p in facts.parameters} == {(15, 1)}


@pytest.mark.parametrize(
    "body",
    [
        "qubit[3] q; bit[3] c; h q[0]; cx q[0], q[1]; ccx q[0], q[1], q[2]; c = measure q;",
        "qubit[2] q; ctrl @ x q[0], q[1]; inv @ s q[0]; pow(2) @ t q[1]; negctrl @ z q[0], q[1];",
        "qubit[3] q; ctrl(2) @ x q[0], q[1], q[2];",
        "gate f(t) a, b { cx a, b; rx(t) a; } qubit[2] q; f(0.1) q[0], q[1];",
        "qubit q; bit c; if (c) { x q; } else { z q; } reset q; barrier q;",
        "qubit[2] q; let a = q[0:1]; h a; U(0, 0, 0) q[0]; gphase(1.0);",
        "qreg q[2]; creg c[2]; u3(1, 2, 3) q[0]; measure q -> c;",
        "x $0;",
    ],
)
def test_programs_without_findings(body):
    assert inspect("qasm", HEAD + body)[1] == []


@pytest.mark.parametrize(
    ("body", "column"),
    [
        ("output bit c; qubit q;", 1),
        ("qubit q; input int n;", 10),
        ("qubit q; nope q;", 10),
        ("qubit q; rx q;", 10),
        ("qubit q; h(1) q;", 10),
        ("qubit q; cx q;", 10),
        ("qubit q; if (true) { cx q; }", 22),
        ("h r;", 1),
        ("gate f a { h b; } qubit q; f q;", 12),
        ('include "mine.inc";', 1),
    ],
)
def test_names_are_looked_up(body, column):
    facts, found = inspect("qasm", f"{HEAD}\n{body}")
    assert found == [("MAML314", 2, column)]
    assert not facts.parsed


def test_without_the_include_there_are_no_gates():
    assert inspect("qasm", "qubit q;\nh q;")[1] == [("MAML314", 2, 1)]


def test_another_version():
    assert inspect("qasm", "OPENQASM 2.0; qreg q[2];")[1] == [("MAML314", 1, 1)]


def test_calibrations_are_opaque():
    found = inspect("qasm", HEAD + "\ndefcal x $0 { }")[1]
    assert found == [("MAML319", 2, 1)]


@pytest.mark.parametrize(
    ("source", "line"),
    [("qubit[2 q;", 1), ("qubit q;\n foo(;\n", 2), ('qubit q;\n"', 2), ("x = " + "(" * 3000, 1)],
)
def test_qasm_that_does_not_parse(source, line, capfd):
    facts, found = inspect("qasm", source)
    assert [place[:2] for place in found] == [("MAML314", line)]
    assert not facts.parsed
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("source", ["", " \n", "//", "/* nothing */ // here"])
def test_nothing_is_no_program(source):
    assert inspect("qasm", source)[1] == [("MAML315", 0, 1)]


@given(st.text(st.sampled_from('qubit[2] ;inputfloa@x(){}=\n"//'), max_size=40))
def test_any_text_is_read(source):
    _, found = inspect_block(block("qasm", source))
    assert {d.code for d in found} <= {"MAML314", "MAML315", "MAML319"}


@pytest.mark.parametrize(
    ("body", "column"),
    [
        ("rz(" + "(" * 200_000 + "1" + ")" * 200_000 + ") q;", 259),
        ("rz(" + "-" * 400_000 + "1) q;", 1028),
        ("rz(" + "1+" * 200_000 + "1) q;", 2053),
    ],
)
def test_bombs_are_refused_before_the_parser_sees_them(body, column):
    """Half a minute for 20,000 of each otherwise."""
    found = inspect("qasm", f"{HEAD}\n{body}")[1]
    assert found == [("MAML314", 2, column)]


def test_brackets_in_comments_are_none():
    text = f"{HEAD}\n/* {'(' * 300}\n{'(' * 300} */ qubit q; // {'(' * 300}\nh q;"
    assert inspect("qasm", text)[1] == []
