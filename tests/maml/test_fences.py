from __future__ import annotations

import pytest

from chimera_pipelines.maml.sections import read_body


def fence(text):
    (found,) = read_body(text, 1).fences
    return found


def test_language_and_name_have_places():
    found = fence("````python {#vqe}\nx\n````\n").fence
    assert (found.language, found.name, found.info) == ("python", "vqe", "python {#vqe}")
    assert (found.language_span.column, found.language_span.end_column) == (5, 11)
    assert found.name_span is not None
    assert (found.name_span.column, found.name_span.end_column) == (12, 18)


@pytest.mark.parametrize(
    ("info", "language", "name", "attribute"),
    [
        ("", "", None, ""),
        ("sql", "sql", None, ""),
        ("sql {#a}", "sql", "a", "{#a}"),
        ("sql{#a}", "sql", "a", "{#a}"),
        ("{#a}", "", "a", "{#a}"),
        ("sql {#a .x}", "sql", None, "{#a .x}"),
        ("sql {#a} x", "sql", None, "{#a} x"),
        ("sql a", "sql", None, "a"),
        ("sql {#}", "sql", None, "{#}"),
    ],
)
def test_info(info, language, name, attribute):
    found = fence(f"```{info}\n```\n")
    assert (found.fence.language, found.fence.name) == (language, name)
    assert found.attribute == attribute


@pytest.mark.parametrize(
    ("text", "source", "last", "closed"),
    [
        ("```sql\n```\n", "", 2, True),
        ("```sql\na\n\n```\n", "a\n", 4, True),
        ("```sql\na\n", "a", 2, False),
        ("```sql", "", 1, False),
        ("```sql\n``\n````  \n", "``", 3, True),
    ],
)
def test_source_and_end(text, source, last, closed):
    found = fence(text)
    assert found.fence.source == source
    assert found.closed is closed
    assert found.last_line >= last
    assert found.broken is False


def test_what_it_swallowed_makes_it_broken():
    assert fence("```text\n## Code_Blocks\nx\n").swallowed == ("Code_Blocks",)
    assert fence("```text\n```sql {#a}\nx\n```\n").broken
    assert not fence("```text\n## Context\n```\n").broken


def test_one_finding_for_all_that_is_wrong_with_the_form():
    (found,) = fence(" ~~~sql\nx\n").diagnostics
    assert found.message == "fence is indented and made of tildes and never closed"
    assert found.fixable
