from __future__ import annotations

import pytest

from chimera_pipelines.ring.reports import CheckpointReport, ShareReport, ShareStatus

OK, MISSING, CORRUPT = ShareStatus.OK, ShareStatus.MISSING, ShareStatus.CORRUPT


def report(*statuses: ShareStatus) -> CheckpointReport:
    shares = (ShareReport(f"HEAD_{n + 1}", n, status) for n, status in enumerate(statuses))
    return CheckpointReport("sha256:0", "bell", "bell", 3, tuple(shares))


@pytest.mark.parametrize(
    ("statuses", "ok", "repairable"),
    [
        ((OK, OK, OK, OK), True, True),
        ((OK, OK, OK, MISSING), False, True),
        ((CORRUPT, OK, MISSING, OK), False, True),
        ((CORRUPT, OK, MISSING, MISSING), False, False),
    ],
)
def test_two_good_shares_are_enough(
    statuses: tuple[ShareStatus, ...], *, ok: bool, repairable: bool
) -> None:
    found = report(*statuses)
    assert (found.ok, found.repairable, found.as_json()["ok"]) == (ok, repairable, ok)


def test_a_detail_is_shown_only_where_there_is_one() -> None:
    shown = {"head": "HEAD_1", "index": 0, "status": "corrupt"}
    assert ShareReport("HEAD_1", 0, CORRUPT).as_json() == shown
    assert ShareReport("HEAD_1", 0, CORRUPT, "cut").as_json() == {**shown, "detail": "cut"}
