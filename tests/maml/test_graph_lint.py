from __future__ import annotations

import pytest

from chimera_pipelines.maml.reader import read_text
from tests.maml.kernels import FRONT, K, Q, places

TORCH = "```python {#t}\nimport torch\ndef run(): return {}\n```\n"


def qubits(number):
    return f"```qasm {{#w}}\nqubit[{number}] q;\n```\n"


@pytest.mark.parametrize(
    ("dependencies", "code", "expected"),
    [
        ("k: {needs: [k]}", K, [("MAML405", "k: {needs: [")]),
        (
            "k: {needs: [m]}\n  m: {block: k, needs: [k]}",
            K,
            [("MAML405", "k: {needs: [")],
        ),
        ("k:", K + Q, [("MAML316", "```qiskit {#")]),
        ("q: {head: [pytorch]}", Q, [("MAML410", "[pytorch]}")]),
        ("q: {head: [HEAD_4]}", Q, [("MAML410", "[HEAD_4]}")]),
        ("q: {head: [HEAD_2, HEAD_4]}", Q, []),
        ("k: {head: [qiskit, HEAD_3]}", K, [("MAML410", "[qiskit, HEA")]),
        ("k: {head: [pytorch, cuda]}", K, [("MAML411", "cuda]}")]),
        ("k: {head: [qec, cuda]}", K, [("MAML411", "qec, cuda]}"), ("MAML411", "cuda]}")]),
        ("k: {head: [HEAD_1]}", K, []),
        ("q:", Q, []),
        ("t:", TORCH, []),
        ("w: {backend: {method: statevector}}", qubits(33), []),
        ("w: {backend: {method: statevector}}", qubits(34), [("MAML413", "w: {backend:")]),
        ("w: {backend: {method: statevector, precision: single}}", qubits(34), []),
        (
            "w: {backend: {method: statevector, precision: single}}",
            qubits(35),
            [("MAML413", "w: {backend:")],
        ),
        ("w: {backend: {method: density_matrix}}", qubits(17), [("MAML413", "w: {backend:")]),
        ("w: {backend: {method: matrix_product_state}}", qubits(40), []),
        ("w: {backend: {method: statevector}}", qubits(10**12), [("MAML413", "w: {backend:")]),
        ("k: {critical: true, needs: [m]}\n  m: {block: k}", K, [("MAML414", "k: {critical")]),
        ("k: {critical: true, needs: [m]}\n  m: {block: k, critical: true}", K, []),
    ],
)
def test_findings(dependencies, code, expected):
    assert places(f"kernels:\n  {dependencies}", code) == expected


def test_default_tags_stand_at_the_kernel():
    front = FRONT.replace("requires: {resources: [qiskit, pytorch]}\n", "")
    assert places("kernels:\n  q:\n  t:\n", Q + TORCH, front=front) == [
        ("MAML411", "q:"),
        ("MAML411", "t:"),
    ]
    assert places(None, TORCH, front=front) == [("MAML411", "```python {#")]


def test_the_hint_of_a_missing_tag_says_where_it_is_written():
    bare = FRONT.replace("requires: {resources: [qiskit, pytorch]}\n", "")
    other = FRONT.replace("[qiskit, pytorch]", "[pytorch]")
    text = f"## Dependencies\n```yaml\nkernels:\n  q:\n```\n## Code_Blocks\n{Q}"
    hints = [
        d.hint
        for front in (bare, other)
        for d in read_text((front + text).encode(), "a.maml.md").diagnostics
        if d.code == "MAML411"
    ]
    assert hints == [
        "write 'requires: {resources: [qiskit]}' in the front matter",
        "add 'qiskit' to requires.resources",
    ]


def test_a_tag_in_defaults_is_said_once():
    found = places("defaults: {head: [cuda]}\nkernels:\n  k:\n  m: {block: k}")
    assert found == [("MAML411", "cuda]}")]


def test_a_block_that_does_not_parse_imports_nothing_that_is_known():
    broken = "```python {#t}\nimport torch\ndef run(: pass\n```\n"
    front = FRONT.replace("requires: {resources: [qiskit, pytorch]}\n", "")
    assert [code for code, _ in places("kernels:\n  t:\n", broken, front=front)] == ["MAML314"]


@pytest.mark.parametrize(
    ("uri", "permitted"),
    [
        ("dataset://lab/ok/a", True),
        ("dataset://lab/ok/a/b", False),
        ("dataset://lab/no", False),
        ("dataset://lab/ok/..", False),
        ("document://other#k.x", True),
        ("document://another#k.x", False),
        ("https://lab/no", True),
    ],
)
def test_resources(uri, permitted):
    code = "```python {#k}\ndef run(x): return {}\n```\n"
    found = places(f'kernels:\n  k: {{inputs: {{x: "{uri}"}}}}', code)
    assert [code for code, _ in found] == ([] if permitted else ["MAML704"])


def test_a_uri_deeper_inside_is_a_text():
    code = "```python {#k}\ndef run(x): return {}\n```\n"
    assert places('kernels:\n  k: {inputs: {x: ["dataset://lab/no"]}}', code) == []


def test_without_kernels_nothing_is_said_of_the_graph():
    assert places("defaults: {head: [cuda]}", K + Q) == [("MAML403", "defaults: {h")]


def test_a_refused_feedback_may_have_named_any_block():
    assert places("kernels:\n  q: {feedback: 5}", Q + K) == [("MAML403", "5}")]
