"""The name that was perhaps meant, for hints."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

_MOST = 500


def did_you_mean(name: str, known: Collection[str], otherwise: str | None = None) -> str | None:
    """A hint with the nearest known name; among very many names none is looked for."""
    near = get_close_matches(name, known, n=1) if len(known) <= _MOST else []
    return f"did you mean '{near[0]}'?" if near else otherwise
