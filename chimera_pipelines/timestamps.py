"""Timestamps of History and keys (MAML.md §1): UTC, `Z`, up to nine fraction digits, read as ns.

They are compared as numbers: `.5` is later than `.49`, which no comparison of texts would say.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

NS = 1_000_000_000
_FORM = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text: str) -> int | None:
    """Nanoseconds since 1970 of a timestamp; None when it is malformed or no real date."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime(*(int(part) for part in match.groups()[:6]), tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        return None
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + int((match[7] or "0").ljust(9, "0"))


def timestamp(instant_ns: int) -> str:
    """The timestamp of an instant: six fraction digits, nine only where nanoseconds need them."""
    seconds, rest = divmod(instant_ns, NS)
    moment = (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
    fraction = f"{rest:09d}" if rest % 1000 else f"{rest // 1000:06d}"
    return f"{moment}.{fraction}Z"
