"""Every case of `tests/vectors/lint.json`: what the reader says, with line and column."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from chimera_pipelines.maml.diagnostics import exit_code
from chimera_pipelines.maml.reader import read_text

VECTORS = Path(__file__).parent.parent / "vectors" / "lint.json"
CASES = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]


def rows(found, *, loose):
    return sorted((d["code"], d["severity"], d["line"], 0 if loose else d["column"]) for d in found)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case):
    data = base64.b64decode(case["base64"]) if "base64" in case else case["text"].encode()
    document = read_text(data)
    loose = case.get("column_is_parsers", False)
    said = rows([d.as_json() for d in document.diagnostics], loose=loose)
    assert said == rows(case["expect"], loose=loose)
    assert exit_code(document.diagnostics) == case["exit"]
