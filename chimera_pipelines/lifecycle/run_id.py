"""Run ids: ULIDs (48 bits of milliseconds, 80 random bits, Crockford base 32, upper case)."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_run_id() -> str:
    """A fresh ULID; ids of later milliseconds sort after earlier ones."""
    return ulid(time.time_ns() // 1_000_000, secrets.randbits(80))


def ulid(milliseconds: int, random: int) -> str:
    """The ULID of a time since 1970 in milliseconds (48 bits) and 80 random bits."""
    number = milliseconds << 80 | random
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
