"""Diagnostics as SARIF 2.1.0 (OASIS), for code scanning services and editors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chimera_pipelines import __version__
from chimera_pipelines.cli import codes
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def report(files: Iterable[tuple[str, Sequence[Diagnostic]]]) -> dict[str, Any]:
    """One SARIF log with one run over `files`; columns count Unicode code points."""
    found = [(path, diagnostic) for path, many in files for diagnostic in many]
    used = sorted({diagnostic.code for _, diagnostic in found})
    driver = {"name": "chimera", "version": __version__, "rules": [_rule(code) for code in used]}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(path, one, used.index(one.code)) for path, one in found],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    known = codes.table().get(code)
    if known is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": known.title},
        "fullDescription": {"text": known.text},
    }


def _result(path: str, found: Diagnostic, rule: int) -> dict[str, Any]:
    hint = f" [{found.hint}]" if found.hint else ""
    span = found.span
    return {
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": _LEVELS[found.severity],
        "message": {"text": found.message + hint},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(path)},
                    "region": {
                        "startLine": span.line,
                        "startColumn": span.column,
                        "endLine": span.end_line,
                        "endColumn": span.end_column,
                    },
                }
            }
        ],
    }


def _uri(path: str) -> str:
    """A relative path stays a relative reference, an absolute one becomes a file: URI."""
    from urllib.parse import quote

    return Path(path).as_uri() if Path(path).is_absolute() else quote(Path(path).as_posix())
