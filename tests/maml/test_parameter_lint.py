from __future__ import annotations

import pytest

from tests.maml.kernels import K, places

PARTITIONS = "partitions: {static: [a]}\n"


def python(parameters):
    return f"```python {{#k}}\ndef run({parameters}): return {{}}\n```\n"


def qiskit(*functions):
    body = "\n".join(functions)
    return f"```qiskit {{#k}}\n{body}\n```\n"


def codes(options, code, *, before="", rest=""):
    return places(f"{before}kernels:\n  k: {options}", code, rest, without=("MAML503",))


@pytest.mark.parametrize(
    ("options", "parameters", "expected"),
    [
        ("{}", "", []),
        ("{}", "seed, shots", []),
        ("{}", "a", [("MAML408", "a): return {")]),
        ("{}", "a=1", []),
        ("{inputs: {a: 1}}", "a", []),
        ("{inputs: {a: 1}}", "", [("MAML408", "a: 1}}")]),
        ("{inputs: {a: 1}}", "*, a", []),
        ("{}", "*a", [("MAML408", "a): return {")]),
        ("{}", "**a", [("MAML408", "a): return {")]),
        ("{inputs: {a: 1}}", "a, /", [("MAML408", "a, /): retur")]),
        ("{inputs: {a: 1}}", "**rest", [("MAML408", "rest): retur")]),
        ("{}", "partition", [("MAML408", "partition): ")]),
        ("{}", "iteration", [("MAML408", "iteration): ")]),
        ("{}", "counts", [("MAML408", "counts): ret")]),
        ("{}", "a, b", [("MAML408", "a, b): retur"), ("MAML408", "b): return {")]),
    ],
)
def test_python(options, parameters, expected):
    assert codes(options, python(parameters)) == expected


def test_partition_where_there_are_partitions():
    assert codes("{}", python("partition"), before=PARTITIONS) == []
    refused = codes("{}", python("partition"), before="partitions: 5\n")
    assert [code for code, _ in refused] == ["MAML403"]


@pytest.mark.parametrize(
    ("options", "functions", "missing"),
    [
        ("{}", ["def circuit(): pass", "def post(counts): pass"], []),
        ("{shots: 5}", ["def circuit(): pass", "def post(counts, shots): pass"], []),
        ("{shots: exact}", ["def circuit(): pass", "def post(counts): pass"], ["counts): pas"]),
        ("{shots: exact}", ["def circuit(): pass", "def post(probabilities): pass"], []),
        ("{}", ["def circuit(): pass", "def post(probabilities): pass"], ["probabilitie"]),
        (
            "{}",
            ["def circuit(): pass", "def observable(): pass", "def post(expectation): pass"],
            [],
        ),
        (
            "{}",
            ["def circuit(): pass", "def observable(): pass", "def post(counts): pass"],
            ["counts): pas"],
        ),
        ("{}", ["def circuit(counts): pass"], ["counts): pas"]),
        (
            "{shots: {error: 0.1, max: 99}}",
            ["def circuit(): pass", "def observable(): pass", "def post(expectation, error): pass"],
            [],
        ),
        (
            "{shots: exact}",
            ["def circuit(): pass", "def observable(): pass", "def post(expectation, error): pass"],
            ["error): pass"],
        ),
        ("{}", ["def circuit(): pass", "def post(counts, error): pass"], ["error): pass"]),
        ("{}", ["def circuit(): pass", "def observable(a): pass"], ["a): pass"]),
        ("{}", ["def circuit(): pass", "def helper(a): pass"], []),
    ],
)
def test_qiskit(options, functions, missing):
    found = codes(options, qiskit(*functions))
    assert found == [("MAML408", place) for place in missing]


def loop(post, step, inputs="{t: 1}"):
    code = qiskit("def circuit(t, iteration): pass", *post)
    code += f"```python {{#s}}\ndef run({step}): return {{}}\n```\n"
    return codes(f"{{inputs: {inputs}, feedback: {{block: s, carry: [t]}}}}", code)


def test_feedback_gets_what_the_pass_returned():
    assert loop([], "counts, shots, t, iteration, seed") == []
    assert loop([], "energy") == [("MAML408", "energy): ret")]
    assert loop(['def post(counts): return {"energy": 1}'], "energy, t") == []
    assert loop(['def post(counts): return {"energy": 1}'], "other") == [
        ("MAML408", "other): retu")
    ]
    assert loop(["def post(counts): return counts"], "anything") == []
    assert loop([], "*rest") == [("MAML408", "rest): retur")]


def test_an_input_may_serve_the_feedback_alone():
    assert loop([], "rate", "{t: 1, rate: 2}") == []
    assert loop([], "t", "{t: 1, rate: 2}") == [("MAML408", "rate: 2}, fe")]


def test_an_input_may_serve_the_embedding_alone():
    options = "{inputs: {v: [1], w: 1}, embedding: {method: angle, features: v}}"
    assert codes(options, qiskit("def circuit(): pass")) == [("MAML408", "w: 1}, embed")]


@pytest.mark.parametrize(
    ("inputs", "query", "expected"),
    [
        ("{t: 1, a: 2}", "SELECT * FROM t WHERE x = :a AND y = :seed", []),
        ("{}", "SELECT * FROM t", [("MAML408", "SELECT * FRO")]),
        ("{}", "SELECT :a + :b", [("MAML408", "SELECT :a + ")] * 2),
        ("{}", "SELECT :partition", [("MAML408", "SELECT :part")]),
        ("{}", "SELECT :shots", [("MAML408", "SELECT :shot")]),
        ("{a: 1}", "SELECT 1", [("MAML408", "a: 1}}")]),
        ("{a: 1}", "SELECT ?, :a", [("MAML408", "SELECT ?, :a")]),
    ],
)
def test_sql(inputs, query, expected):
    assert codes(f"{{inputs: {inputs}}}", f"```sql {{#k}}\n{query}\n```\n") == expected


def test_qasm():
    code = "```qasm {#k}\nOPENQASM 3.0;\ninput float a; input angle b; input float seed;\n```\n"
    found = codes("{inputs: {a: 1, c: 2}}", code)
    assert found == [("MAML408", "c: 2}}"), *[("MAML408", "OPENQASM 3.0")] * 2]


def test_ocaml_gets_one_object_of_all_inputs():
    assert codes("{inputs: {a: 1}}", "```ocaml {#k}\nlet run j = j\n```\n") == []


def test_nothing_is_said_of_what_was_not_read():
    broken = "```python {#k}\ndef run(a: pass\n```\n"
    assert [code for code, _ in codes("{inputs: {b: 1}}", broken)] == ["MAML314"]
    assert [code for code, _ in codes("{inputs: 5}", python("a"))] == ["MAML403"]
    assert [code for code, _ in codes("5", python("a"))] == ["MAML403"]


def test_two_kernels_of_one_block_each_miss_it():
    code = K.replace("run()", "run(a)")
    found = places("kernels:\n  k:\n  m: {block: k}\n  n: {block: k, inputs: {a: 1}}", code)
    assert found == [("MAML408", "a):")] * 2


def test_without_dependencies_what_is_declared_is_bound():
    schema = '## Input_Schema\n```json\n{"properties": {"a": {}, "z": {}}}\n```\n'
    assert places(None, python("a, b"), schema) == [("MAML408", "b): return {")]
