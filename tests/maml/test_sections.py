from __future__ import annotations

import pytest

from chimera_pipelines.maml.diagnostics import ordered
from chimera_pipelines.maml.sections import canonical_name, missing_sections, read_body
from tests.maml.triples import triples

CASES = triples("sections.md")


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_grammar(text, expected):
    body = read_body(text, 1)
    said = [f"title {body.title}"] if body.title else []
    said += [f"{s.heading.line} {s.name}" for s in body.sections]
    found = ordered(body.diagnostics)
    said += [f"{d.code} {d.severity} {d.span.line}:{d.span.column}" for d in found]
    assert sorted(said) == sorted(expected.split("\n"))


def test_lines_are_the_documents():
    body = read_body("## Intent\nText.\n\n```sql {#a}\nSELECT 1\n```\n", 11)
    (section,) = body.sections
    assert (section.heading.line, section.first_line) == (11, 12)
    assert section.text == "Text.\n\n```sql {#a}\nSELECT 1\n```\n"
    (fence,) = section.fences
    assert (fence.span.line, fence.first_line, fence.source) == (14, 15, "SELECT 1")


def test_letters_decide_the_name():
    assert canonical_name("🐪 Code-Blocks!") == "Code_Blocks"
    assert canonical_name("Intention") is None
    assert canonical_name("Intént") is None


def codes_of_missing(text, below=()):
    return [d.subject for d in missing_sections(read_body(text, 5), below, 4)]


def test_missing_sections():
    assert codes_of_missing("prose") == ["Intent", "Code_Blocks"]
    assert codes_of_missing("## Intent\n## Code_Blocks\n") == []


def test_a_section_that_a_broken_fence_swallowed_is_not_missing():
    assert codes_of_missing("## Intent\n```text\n## Code_Blocks\n") == []
    assert codes_of_missing("## Intent\n```text\n```sql\n## Code_Blocks\n```\n") == []
    assert codes_of_missing("## Intent\n```text\n## Code_Blocks\n```\n") == ["Code_Blocks"]


def test_a_section_below_history_is_not_missing():
    assert codes_of_missing("## Intent\n", ["Code Blocks"]) == []


def test_many_definitions_are_quick():
    assert read_body("[a]: b\n" * 70_000, 1).sections == ()
