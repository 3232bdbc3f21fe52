"""Cron expressions, time zones and first partitions: texts that must be times (MAML.md §3)."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from functools import lru_cache

_FIELDS = 5
_FORMATS = ("%Y-%m-%d", "%Y-%m-%d-%H:%M")

Problem = tuple[str, str]


def cron_problem(text: str) -> Problem | None:
    """Why the text is no cron expression of five fields (MAML420)."""
    from croniter import croniter

    fields = text.split()
    if len(fields) != _FIELDS:
        return (
            f"'{text}' has {len(fields)} fields, not five",
            "minute hour day-of-month month day-of-week",
        )
    if not croniter.is_valid(text):
        return f"'{text}' is no cron expression", "for example '0 3 * * 1'"
    return None


def timezone_problem(text: str) -> Problem | None:
    """Why the text is no IANA time zone."""
    if text in _zones():
        return None
    return f"'{text}' is no IANA time zone", "for example 'Europe/Berlin'"


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def start_problem(text: str) -> Problem | None:
    """Why the text, of the right form, is no date or hour."""
    for form in _FORMATS:
        try:
            datetime.strptime(text, form)  # noqa: DTZ007 (the zone is another field)
        except ValueError:
            continue
        return None
    return f"'{text}' does not exist", "write a date of the calendar"
