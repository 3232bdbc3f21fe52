from __future__ import annotations

import pytest

from chimera_pipelines.maml.code_facts import inspect_block
from chimera_pipelines.maml.kernel_reader import asked_names, called_parameters
from tests.maml.kernels import K, Q, block, places

T = "```python {#t}\ndef run(a=1, b=1, c=1, d=1): return {}\n```\n"
S = '```python {#s}\ndef run(t=1): return {"done": True}\n```\n'


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("k: {needs: [ghost]}", [("MAML404", "ghost]}")]),
        ("t: {inputs: {a: $ghost.y}}", [("MAML404", "$ghost.y}}")]),
        ("t: {inputs: {a: [$Ghost]}}", [("MAML404", "$Ghost]}}")]),
        ("t: {inputs: {a: $input}}", [("MAML409", "$input}}")]),
        ("t: {inputs: {a: $context}}", [("MAML409", "$context}}")]),
        ("t: {inputs: {a: $partition}}", [("MAML409", "$partition}}")]),
        ("t: {inputs: {a: '$x y'}}", [("MAML409", "'$x y'}}")]),
        ("t: {inputs: {a: {b: [$5, $$5, 5$]}}}", [("MAML409", "$5, $$5, 5$]")]),
        ("ghost: {}", [("MAML406", "ghost: {}")]),
        ("t: {block: ghost}", [("MAML406", "ghost}")]),
        ("seed: {block: k}", [("MAML416", "seed: {block")]),
        ("lambda: {block: k}", [("MAML416", "lambda: {blo")]),
        ("t: {inputs: {counts: 1}}", [("MAML408", "counts: 1}}"), ("MAML416", "counts: 1}}")]),
        ("k: {feedback: {block: s, carry: [t]}}", [("MAML403", "{block: s, c")]),
        (
            "q: {inputs: {t: 1}, feedback: {block: ghost, carry: [t]}}",
            [("MAML406", "ghost, carry")],
        ),
        ("q: {inputs: {t: 1}, feedback: {block: q, carry: [t]}}", [("MAML406", "q, carry: [t")]),
        (
            "q: {inputs: {t: 1}, feedback: {block: s, carry: [t, u]}}",
            [("MAML403", "u]}}")],
        ),
    ],
)
def test_findings(kernel, expected):
    code = K + T + Q + S
    found = places(f"kernels:\n  {kernel}", code, without=("MAML503", "MAML316"))
    assert found == expected


def test_a_fence_that_is_no_block_hides_what_follows_from_it():
    bash = "```bash {#m}\nls\n```\n"
    assert places("kernels:\n  k:\n  m:\n", K + bash) == [("MAML311", "bash {#m}")]
    assert places("kernels:\n  k:\n  n:\n", K + bash) == [
        ("MAML406", "n:"),
        ("MAML311", "bash {#m}"),
    ]


def test_without_code_blocks_no_block_is_missed():
    text = places("kernels:\n  k:\n", "", without=("MAML503",))
    assert text == [("MAML301", "---")] or ("MAML406", "k:") in text


@pytest.mark.parametrize(
    ("language", "source", "names"),
    [
        ("python", "def run(a, b=1): pass\ndef _h(c): pass", ["a", "b"]),
        ("qiskit", "def circuit(a): pass\ndef post(b, a): pass\ndef f(z): pass", ["a", "b"]),
        ("sql", "SELECT * FROM t WHERE a = :b", ["t", "b"]),
        ("qasm", "input float theta;", ["theta"]),
        ("ocaml", "let run j = j", []),
        ("python", "def run(:", []),
    ],
)
def test_what_a_block_asks_for(language, source, names):
    from dataclasses import replace

    inspected = block(language, source)
    facts = inspect_block(inspected)[0]
    assert asked_names(replace(inspected, facts=facts)) == names
    assert list(dict.fromkeys(p.name for p in called_parameters(facts, language))) == names
