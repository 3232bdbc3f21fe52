from __future__ import annotations

from chimera_pipelines.heads.fleet_events import Death, Incarnation
from chimera_pipelines.scheduling.losses import hopeless

FALLEN = Death("HEAD_3", Incarnation("a", 5), "it died 5 times", final=True)
MUTE = Death("HEAD_4", Incarnation("a", 2), "no answer for 150 s", final=True, code="CHIM714")


def test_one_head_that_may_come_is_hope() -> None:
    assert hopeless("a", ("HEAD_3", "HEAD_4"), {"HEAD_3": FALLEN}) is None
    assert hopeless("a", (), {}) is None


def test_heads_that_stay_down() -> None:
    error = hopeless("a", ("HEAD_3",), {"HEAD_3": FALLEN, "HEAD_4": MUTE})
    assert error is not None
    assert error.code == "CHIM762"
    assert "'a'" in error.message
    assert "HEAD_3: it died 5 times" in error.message


def test_heads_for_which_nobody_answers() -> None:
    error = hopeless("a", ("HEAD_3", "HEAD_4"), {"HEAD_3": FALLEN, "HEAD_4": MUTE})
    assert error is not None
    assert error.code == "CHIM714"
    assert "'a' waits for" in error.message
    assert "HEAD_4: no answer for 150 s" in error.message
