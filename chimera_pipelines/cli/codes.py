"""The table of error codes that `explain`, SARIF and docs/errors.md read: `codes.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class CodeText:
    """One code: its usual severity, a title of a few words and what to do about it."""

    code: str
    severity: str
    title: str
    text: str


@cache
def table() -> dict[str, CodeText]:
    """Every code in order."""
    text = resources.files("chimera_pipelines.cli").joinpath("codes.json").read_text("utf-8")
    return {code: CodeText(code, **entry) for code, entry in sorted(json.loads(text).items())}
