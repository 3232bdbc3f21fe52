from __future__ import annotations

import pytest

from chimera_pipelines.maml.blocks import read_blocks, read_interfaces
from chimera_pipelines.maml.sections import read_body


def blocks(*infos):
    text = "".join(f"```{info}\nx\n```\n" for info in infos)
    found, said = read_blocks(read_body(text, 1).fences)
    return list(found), [(d.code, d.span.line, d.span.column) for d in said]


@pytest.mark.parametrize(
    ("infos", "names", "expected"),
    [
        (["python {#a}", "sql {#b}"], ["a", "b"], []),
        (["python"], ["main"], []),
        (["python "], ["main"], []),
        (["python", "sql"], [], [("MAML312", 1, 1), ("MAML312", 4, 1)]),
        (["python {#a}", "sql"], ["a"], [("MAML312", 4, 1)]),
        (["python", "bash"], ["main"], [("MAML311", 4, 4)]),
        (["", "{#a}"], [], [("MAML310", 1, 1), ("MAML310", 4, 1)]),
        (["py {#a}"], [], [("MAML311", 1, 4)]),
        (["python {#A}"], ["A"], [("MAML313", 1, 11)]),
        (["python {#class}"], ["class"], [("MAML313", 1, 11)]),
        (["python {#a} {#b}"], [], [("MAML313", 1, 11)]),
        (["python  x"], [], [("MAML313", 1, 12)]),
        (["python {#a}", "sql {#a}"], ["a"], [("MAML313", 4, 8)]),
        (["python {#main}"], ["main"], []),
    ],
)
def test_blocks(infos, names, expected):
    assert blocks(*infos) == (names, expected)


def test_the_first_of_two_blocks_of_one_name_counts():
    text = "```python {#a}\nfirst\n```\n```sql {#a}\nsecond\n```\n"
    found, _ = read_blocks(read_body(text, 1).fences)
    assert (found["a"].language, found["a"].source) == ("python", "first")


def test_other_spellings_of_a_language_get_a_hint():
    _, (problem,) = read_blocks(read_body("```Python {#a}\n```\n", 1).fences)
    assert problem.hint == "did you mean 'python'?"


def test_interfaces():
    text = "```ocaml {#a}\n```\n```text\n```\n```ocaml {#a}\n```\n```ocaml\n```\n```ocaml a\n```\n"
    found, said = read_interfaces(read_body(text, 1).fences)
    assert list(found) == ["a"]
    assert [(d.code, d.span.line) for d in said] == [
        ("MAML302", 5),
        ("MAML312", 7),
        ("MAML313", 9),
    ]
