"""Reads `tests/fixtures/*.md`: title, input and expected, each ended by a line that is one dot."""

from __future__ import annotations

from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures"


def triples(name: str) -> list[tuple[str, str, str]]:
    """All triples of a fixture file."""
    parts: list[str] = []
    lines: list[str] = []
    for line in (FIXTURES / name).read_text(encoding="utf-8").split("\n"):
        if line == ".":
            parts.append("\n".join(lines))
            lines = []
        else:
            lines.append(line)
    assert len(parts) % 3 == 0, f"{name} has no whole number of triples"
    cases = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return [(title.strip(), text + "\n", expected) for title, text, expected in cases]
