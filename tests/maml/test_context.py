from __future__ import annotations

import pytest

from chimera_pipelines.maml.context import read_context
from chimera_pipelines.maml.sections import read_body
from tests.maml.documents import codes


def context(text):
    return read_context(read_body(text, 1).fences)


def test_constants():
    found = context("prose\n```yaml\nrate: 0.9\nlist: [1]\n```\n```text\nx\n```\n")
    assert found.value == {"rate": 0.9, "list": [1]}
    assert not found.diagnostics
    assert found.read


@pytest.mark.parametrize("text", ["prose\n", "```yaml\n```\n", "```yaml\n# none yet\n```\n"])
def test_none(text):
    found = context(text)
    assert (found.value, found.diagnostics, found.read) == ({}, (), True)


@pytest.mark.parametrize(
    ("text", "expected", "read"),
    [
        ("```yaml\na: 1\na: 2\n```\n", [("MAML204", 3, 1)], True),
        ("```yaml\na: *b\n```\n", [("MAML205", 2, 4)], False),
        ("```yaml\na: b: c\n```\n", [("MAML203", 2, 5)], False),
        ("```yaml\na: yes\n```\n", [("MAML211", 2, 4)], True),
        ("```yaml\n- a\n```\n", [("MAML207", 2, 1)], False),
        ("```yaml\nA: 1\n```\n", [("MAML207", 2, 1)], True),
        ("```yaml\na: 1\n```\n```yaml\nb: 1\n```\n", [("MAML302", 4, 1)], True),
        ("```yaml\n" + "a: " + "[" * 16 + "]" * 16 + "\n```\n", [("MAML203", 2, 19)], False),
    ],
)
def test_findings(text, expected, read):
    found = context(text)
    assert codes(found.diagnostics) == expected
    assert found.read is read
