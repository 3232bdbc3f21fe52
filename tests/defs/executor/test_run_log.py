"""What is written and what is read back; the events themselves are seen in `test_crew.py`."""

from types import SimpleNamespace

import dagster as dg
import pytest

from chimera_pipelines.defs.executor import run_log
from chimera_pipelines.defs.executor.run_log import RunLog
from chimera_pipelines.errors import HeadUnavailableError

STARTED, DONE = "STEP_WORKER_STARTED", "STEP_SUCCESS"
AGAIN, FAILED = "STEP_UP_FOR_RETRY", "STEP_FAILURE"


def reading(*events):
    """A log in which these (type, step) stand, in their order."""
    records = [
        SimpleNamespace(
            event_log_entry=SimpleNamespace(
                dagster_event=SimpleNamespace(event_type=dg.DagsterEventType(kind), step_key=key)
            )
        )
        for kind, key in events
    ]
    asked = SimpleNamespace(get_records_for_run=lambda *_, **__: SimpleNamespace(records=records))
    context = SimpleNamespace(plan_data=SimpleNamespace(instance=asked), run_id="r")
    return RunLog(context, plan=None)


@pytest.mark.parametrize(
    ("kinds", "ended"),
    [
        ([], False),
        ([STARTED], False),
        ([STARTED, DONE], True),
        ([STARTED, FAILED], True),
        ([STARTED, AGAIN], True),
        ([STARTED, AGAIN, STARTED], False),
        ([STARTED, AGAIN, STARTED, DONE], True),
    ],
)
def test_a_step_has_ended_when_its_last_start_has_an_end(kinds, ended):
    assert reading(*((kind, "k.embed") for kind in kinds)).has_ended("k.embed") is ended


def test_the_ends_of_other_steps_do_not_count():
    assert not reading((STARTED, "k.embed"), (DONE, "k.measure")).has_ended("k.embed")


def test_an_error_shows_its_code_its_words_and_its_hint(monkeypatch):
    written = []
    event = SimpleNamespace(engine_event=lambda *args: written.append(args))
    monkeypatch.setattr(run_log, "DagsterEvent", event)
    error = HeadUnavailableError("CHIM630", "HEAD_1 died", hint="see agent.log")
    RunLog("context", plan=None).say("HEAD_1 died", {"head": "HEAD_1"}, error=error)
    ((context, message, data),) = written
    assert (context, message) == ("context", "HEAD_1 died")
    assert set(data.metadata) == {"head", "code"}
    assert data.error.cls_name == "CHIM630"
    assert data.error.message == "CHIM630 see agent.log"  # the words stand above it
