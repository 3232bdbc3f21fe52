from __future__ import annotations

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.heads.frames import Message
from chimera_pipelines.heads.jobs import Job
from chimera_pipelines.heads.performer import DeviceLostError

FRAME = {"do": "perform", "work": "w", "performer": "toy", "payload": {"x": 1}}


def job(**changes):
    return Job.of(Message({**FRAME, **changes}, (memoryview(b"raw"),)), None)


def test_what_a_frame_does_not_say():
    work = job().work
    assert (work.run, work.orphan, work.current, work.ended) == ("", "finish", None, [])
    assert [bytes(item) for item in work.buffers] == [b"raw"]


@pytest.mark.parametrize("change", [{"orphan": "keep"}, {"payload": []}, {"payload": "x"}])
def test_a_frame_that_is_none(change):
    with pytest.raises(ValueError, match="none"):
        job(**change)


def test_a_frame_that_lacks_something():
    with pytest.raises(LookupError):
        Job.of(Message({"do": "perform", "payload": {}}), None)


def test_it_follows_the_steps_for_who_adopts_it():
    one = job(run="R")
    one.saw({"is": "start", "key": "k.embed"})
    assert one.for_adoption()["current"] == "k.embed"
    one.saw({"is": "note"})
    one.saw({"is": "end", "key": "k.embed"})
    assert one.for_adoption() == {
        "work": "w",
        "performer": "toy",
        "payload": {"x": 1},
        "current": None,
        "ended": [{"is": "end", "key": "k.embed"}],
    }


def test_how_it_rests():
    one = job()
    one.saw({"is": "start", "key": "k.measure"})
    assert one.rest(None, 2) == {
        "is": "rest",
        "work": "w",
        "failed": "k.measure",
        "error": None,
        "interrupted": False,
        "cancelled": False,
        "queued": 2,
        "ends": False,
    }
    assert one.rest(KeyboardInterrupt(), 0)["interrupted"]
    assert one.rest(KeyboardInterrupt(), 0)["error"] is None
    failed = one.rest(KernelError("MAML505", "x", phase="measure"), 0)
    assert failed["error"]["code"] == "MAML505"
    assert not failed["ends"]
    assert one.rest(DeviceLostError("gone"), 0)["ends"]
