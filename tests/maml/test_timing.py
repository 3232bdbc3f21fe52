from __future__ import annotations

import pytest

from chimera_pipelines.maml.timing import cron_problem, start_problem, timezone_problem


@pytest.mark.parametrize(
    "text", ["0 3 * * 1", "*/5 * * * *", "0 0 1 JAN MON-FRI", "30 1,13 * * *", "0 3 * * 7"]
)
def test_cron(text):
    assert cron_problem(text) is None


@pytest.mark.parametrize(
    "text", ["", "0 3 * *", "0 3 * * * *", "0 24 * * *", "60 0 * * *", "@daily", "a b c d e"]
)
def test_no_cron(text):
    assert cron_problem(text) is not None


def test_timezones():
    assert timezone_problem("UTC") is None
    assert timezone_problem("Europe/Berlin") is None
    assert timezone_problem("Mars/Base") is not None
    assert timezone_problem("../etc/passwd") is not None


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("2026-07-01", True),
        ("2024-02-29", True),
        ("2026-07-01-23:00", True),
        ("2026-02-29", False),
        ("2026-13-01", False),
        ("2026-07-01-24:00", False),
    ],
)
def test_starts(text, there):
    assert (start_problem(text) is None) == there
