from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.code_facts import inspect_block
from tests.maml.kernels import block, inspect, said


def test_parameters_with_places_and_defaults():
    facts, found = inspect("python", "def run(a, b=1, *, c, d=2):\n    return {}")
    run = facts.functions["run"]
    assert found == []
    assert [(p.name, p.required) for p in run.parameters] == [
        ("a", True),
        ("b", False),
        ("c", True),
        ("d", False),
    ]
    assert [p.span.column for p in run.parameters] == [9, 12, 20, 23]
    assert {str(p.binding) for p in run.parameters} == {"keyword"}


def test_bindings_that_cannot_be_named():
    facts, _ = inspect("python", "def run(a, /, *rest, b, **more):\n    return {}")
    bindings = {p.name: str(p.binding) for p in facts.functions["run"].parameters}
    assert bindings == {
        "a": "positional",
        "rest": "variadic",
        "b": "keyword",
        "more": "variadic",
    }


@pytest.mark.parametrize(
    ("source", "entry"),
    [
        ("def run(): pass", "run"),
        ("def _h(): pass\ndef total(): pass", "total"),
        ("def help_me(): pass\ndef run(): pass", "run"),
        ("async def _h(): pass\ndef total(): pass", "total"),
        ("class A: pass\ndef total(): pass", "total"),
    ],
)
def test_entry(source, entry):
    facts, found = inspect("python", source)
    assert (facts.entry, found) == (entry, [])


@pytest.mark.parametrize(
    ("language", "source", "expected"),
    [
        ("python", "", [("MAML315", "fence")]),
        ("python", "def a(): pass\ndef b(): pass", [("MAML315", "fence")]),
        ("python", "def _a(): pass", [("MAML315", "fence")]),
        ("python", "run = lambda: {}", [("MAML315", "fence")]),
        ("python", "async def run(): pass", [("MAML315", "async def run(): pass")]),
        ("python", "@f\ndef run(): pass", [("MAML315", "def run(): pass")]),
        ("qiskit", "def run(): pass", [("MAML315", "fence")]),
        (
            "qiskit",
            "def circuit(): pass\nasync def post(): pass",
            [("MAML315", "async def post(): pass")],
        ),
        ("python", "def run(): pass\nrun()", [("MAML315", "run()")]),
        ("python", "def run(): pass\nif run: pass", [("MAML315", "if run: pass")]),
        ("python", '"doc"\n"more"\ndef run(): pass', [("MAML315", '"more"')]),
        ("python", '"doc"\nX: int = 1\nimport math\nclass A: pass\ndef run(): pass', []),
        ("python", "print('x')", [("MAML315", "print('x')"), ("MAML315", "fence")]),
    ],
)
def test_statements_and_entries(language, source, expected):
    assert said(language, source) == expected


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def run()\n    pass", 1),
        ("x = 1\ndef run(:\n    pass", 2),
        ("def run():\n    pass\nreturn 1", 3),
        ("def run(a, a):\n    pass", 1),
        ("def run():\n    é = (", 2),
    ],
)
def test_code_that_does_not_parse(source, line):
    facts, found = inspect("python", source)
    assert [place[:2] for place in found] == [("MAML314", line)]
    assert not facts.parsed
    assert facts.functions == {}


@pytest.mark.parametrize(
    "source",
    [
        "x" + ".a" * 100_000,
        "-" * 100_000 + "x",
        "x = 1" + "1" * 5000,
        "(" * 5000,
        "a\0b",
    ],
    ids=["attributes", "signs", "digits", "parentheses", "null"],
)
def test_absurd_code_is_a_finding(source):
    facts, found = inspect("python", source)
    assert [code for code, _, _ in found] == ["MAML314"]
    assert not facts.parsed


@given(st.text(max_size=60))
def test_any_text_is_read(source):
    text = source.replace("\r", "\n")
    last = text.count("\n") + 15
    _, found = inspect_block(block("python", text))
    assert all(14 <= d.span.line <= last for d in found)


@pytest.mark.parametrize(
    ("source", "qubits"),
    [
        ("def circuit(): return QuantumCircuit(3, 3)", 3),
        ("def circuit(): return qiskit.QuantumCircuit(3)", 3),
        ("N = 4\ndef circuit(): return QuantumCircuit(N)", 4),
        ("def circuit(): return [QuantumCircuit(2), QuantumCircuit(5)]", 5),
        ("def circuit(n): return QuantumCircuit(n)", None),
        ("def circuit(n): return [QuantumCircuit(2), QuantumCircuit(n)]", None),
        ("def circuit(): return QuantumCircuit()", None),
        ("def circuit(): return None", None),
        ("def circuit(): return QuantumCircuit(True)", None),
    ],
)
def test_literal_width(source, qubits):
    assert inspect("qiskit", source)[0].qubits == qubits


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ('return {"a": 1}', {"a"}),
        ('\n    if x:\n        return {"a": 1}\n    return {"b": 2, "c": 3}', {"a", "b", "c"}),
        ('return {"a": 1, **x}', None),
        ("return x", None),
        ("pass", None),
        ('\n    def g():\n        return x\n    return {"a": 1}', {"a"}),
        ("return {1: 2}", None),
    ],
)
def test_literal_keys_of_what_is_returned(body, keys):
    facts, _ = inspect("python", f"def run(x): {body}")
    returns = facts.functions["run"].returns
    assert returns == (None if keys is None else frozenset(keys))


def test_facts_are_kept_but_findings_are_the_callers():
    first = inspect_block(block("python", "import os\ndef run(): pass"))[1]
    first.clear()
    assert len(inspect_block(block("python", "import os\ndef run(): pass"))[1]) == 1


@pytest.mark.parametrize(
    ("body", "libraries"),
    [
        ("blocks.vqe(x)", {"torch"}),
        ("blocks.kernel_matrix(x), blocks.maxcut(x, 2)", {"torch"}),
        ("blocks.surface_code_memory(physical=0.1)", {"stim", "pymatching"}),
        ("blocks.maxcut(x, 2)", set()),
    ],
)
def test_what_blocks_compute_with_counts_as_imported(body, libraries):
    source = f"from chimera_pipelines import blocks\ndef run(x): return {body}"
    facts, found = inspect("python", source)
    assert found == []
    assert facts.imports == {"chimera_pipelines"} | libraries
    alone, _ = inspect("python", f"import math\ndef run(x, blocks): return {body}")
    assert alone.imports == {"math"}
