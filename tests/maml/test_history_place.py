from __future__ import annotations

import pytest

from chimera_pipelines.maml.reader import read_text
from tests.maml.documents import CODE, SCHEMA, codes, document

NOTE = "- 2026-08-01T09:00:00Z: [NOTE] x\n"
HEAD = "## Intent\nTest.\n\n"


def said(body):
    return codes(read_text(document(body=body)).diagnostics)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (HEAD + CODE + SCHEMA + "\n## History\n\n" + NOTE, []),
        (HEAD + CODE + SCHEMA + "\n## History", []),
        (HEAD + CODE + SCHEMA + "## History\n" + NOTE + "## History\n" + NOTE,
         [("MAML304", 22, 1)]),
        (HEAD + CODE + SCHEMA + "## History\n" + NOTE + "## Notes\n" + "free\n",
         [("MAML304", 24, 1)]),
        (HEAD + SCHEMA + "## History\n\n" + CODE, [("MAML304", 19, 1)]),
        (HEAD + CODE + SCHEMA + "```text\n## History\n```\n", [("MAML304", 23, 1)]),
        (HEAD + "<!--\n## History\n-->\n" + CODE + SCHEMA,
         [("MAML105", 13, 1), ("MAML304", 14, 1)]),
        (HEAD + CODE + SCHEMA.removesuffix("```\n") + "\n## History\n\n" + NOTE,
         [("MAML305", 19, 1)]),
        (HEAD + CODE + SCHEMA + "- item\n## History\n" + "what\n", [("MAML801", 24, 1)]),
        (HEAD + CODE + SCHEMA + "## History\n\n### Sub\n", [("MAML801", 24, 1)]),
    ],
)  # fmt: skip
def test_history(body, expected):
    assert said(body) == expected


def test_a_history_line_in_the_front_matter_is_one_too_many():
    found = read_text(document("## History", body=HEAD + CODE + SCHEMA + "## History\n"))
    assert codes(found.diagnostics) == [("MAML304", 9, 1)]


def test_history_is_no_section_of_the_body():
    found = read_text(document(body=HEAD + CODE + "## History\n" + NOTE))
    assert [s.name for s in found.sections] == ["Intent", "Code_Blocks"]
    assert found.body_bytes.endswith(b"```\n")
