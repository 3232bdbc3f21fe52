from __future__ import annotations

import json

import pytest

from chimera_pipelines.errors import CheckpointError, KernelError, RefusedError, Where
from chimera_pipelines.heads.error_frames import error_json, error_of


@pytest.mark.parametrize(
    "error",
    [
        KernelError("MAML505", "no", phase="measure", where=Where("a.md", 3, 4), hint="h"),
        CheckpointError("CHIM705", "bad"),
        RefusedError("MAML704", "may not"),
    ],
)
def test_our_errors_come_back_as_they_were(error):
    found = error_of(json.loads(json.dumps(error_json(error))))
    assert type(found) is type(error)
    assert found.as_json() == error.as_json()
    assert getattr(found, "phase", None) == getattr(error, "phase", None)


def test_others_come_as_chim719_with_their_traceback_in_the_frame():
    with pytest.raises(RuntimeError) as raised:
        _fail("x" * 1000)
    value = error_json(raised.value)
    assert "test_error_frames.py" in value["traceback"]
    found = error_of(value)
    assert found.code == "CHIM719"
    assert "RuntimeError" in found.message
    assert len(found.message) < 600


def test_no_name_in_a_frame_makes_anything_but_an_error():
    for kind in ("ExitCode", "Where", "annotations", "__builtins__", None):
        found = error_of({"kind": kind, "code": "CHIM715", "message": "m", "where": None})
        assert found.code == "CHIM715"


def _fail(message):
    raise RuntimeError(message)
