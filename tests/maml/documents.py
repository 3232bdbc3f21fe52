"""Small documents for tests of the reader and its parts."""

from __future__ import annotations

from collections.abc import Iterable

FIELDS = {
    "maml_version": '"2.0.0"',
    "profile": "kernels/1",
    "id": "urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10",
    "type": "workflow",
    "origin": "agent://lab/ana",
    "created_at": '"2026-08-01T09:00:00Z"',
    "permissions": '{execute: ["gateway://lab/dgx"]}',
}
CODE = '## Code_Blocks\n```python {#k}\ndef run():\n    return {"x": 1}\n```\n'
SCHEMA = '## Output_Schema\n```json {#k}\n{"type": "object"}\n```\n'
FIRST_BODY_LINE = len(FIELDS) + 3


def front(*lines: str, without: Iterable[str] = (), **changed: str) -> str:
    """Front matter: all required fields, changed or left out, then further lines."""
    left_out = set(without)
    fields = {k: v for k, v in (FIELDS | changed).items() if k not in left_out}
    rows = [f"{key}: {value}" for key, value in fields.items()]
    return "\n".join(["---", *rows, *lines, "---", ""])


def document(
    *lines: str, body: str = "## Intent\nTest.\n\n" + CODE + SCHEMA, **changed: str
) -> bytes:
    """A document that is clean unless told otherwise."""
    return (front(*lines, **changed) + body).encode()


def codes(diagnostics) -> list[tuple[str, int, int]]:
    """Code, line and column of errors and warnings."""
    return [(d.code, d.span.line, d.span.column) for d in diagnostics if str(d.severity) != "info"]
