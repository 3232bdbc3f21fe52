import json

import dagster as dg
import pytest

from chimera_pipelines.defs import reload, sensors
from chimera_pipelines.defs.location import build_definitions
from chimera_pipelines.errors import ChimeraError


@pytest.fixture
def drop(home):
    folder = home / "inbox"
    folder.mkdir()
    return lambda name, text: (folder / name).write_text(text, encoding="utf-8")


def _tick(instance, cursor=None):
    """One tick of the inbox sensor of a code location that was loaded just now."""
    found = build_definitions()
    sensor = next(s for s in found.sensors if s.name == "chimera_inbox")
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=found)
    return sensor(context)


def test_nothing_in_the_inbox_is_a_skip(home, instance):
    found = _tick(instance)
    assert found.skip_reason.skip_message == "nothing in the inbox"


def test_settle_check_move_run(home, drop, chain, instance):
    drop("a.maml.md", chain())
    first = _tick(instance)
    assert not first.run_requests
    assert (home / "inbox/a.maml.md").exists()

    second = _tick(instance, first.cursor)
    assert not second.run_requests
    assert (home / "documents/a.maml.md").exists()
    assert "waiting for the code location" in second.skip_reason.skip_message

    third = _tick(instance, second.cursor)
    (request,) = third.run_requests
    assert request.job_name == "maml_a_1f6a7b10"
    assert request.run_key.startswith("sha256:")
    fourth = _tick(instance, third.cursor)
    assert not fourth.run_requests
    assert json.loads(fourth.cursor) == {"seen": {}, "pending": {}}


def test_a_file_still_written_to_waits(home, drop, chain, instance):
    drop("a.maml.md", chain()[:50])
    first = _tick(instance)
    drop("a.maml.md", chain())
    _tick(instance, first.cursor)
    assert (home / "inbox/a.maml.md").exists()


def test_a_partitioned_document_runs_each_static_key(home, drop, chain, instance):
    drop("a.maml.md", chain(head="partitions: {static: [p, q]}\n"))
    cursor = None
    for _ in range(3):
        found = _tick(instance, cursor)
        cursor = found.cursor
    assert [request.partition_key for request in found.run_requests] == ["p", "q"]
    assert len({request.run_key for request in found.run_requests}) == 2


def test_files_that_a_tick_has_no_time_for_wait(home, drop, instance, monkeypatch):
    monkeypatch.setattr(sensors, "TAKING_SECONDS", -1.0)
    drop("a.txt", "a")
    drop("b.txt", "b")
    cursor = _tick(instance).cursor
    for left in (["b.txt"], []):
        found = _tick(instance, cursor)
        cursor = found.cursor
        assert [path.name for path in (home / "inbox").iterdir()] == left
        assert len(found.asset_events) == 1


def test_a_file_that_cannot_be_moved_waits_and_the_others_do_not(home, drop, instance, monkeypatch):
    take = sensors.inbox.take

    def taken(name, settings):
        if name == "a.txt":
            raise OSError(13, "permission denied")
        return take(name, settings)

    monkeypatch.setattr(sensors.inbox, "take", taken)
    drop("a.txt", "a")
    drop("b.txt", "b")
    found = _tick(instance, _tick(instance).cursor)
    assert "a.txt: [Errno 13]" in found.skip_reason.skip_message
    assert "b.txt: quarantined" in found.skip_reason.skip_message
    assert list(json.loads(found.cursor)["seen"]) == ["a.txt"]


def test_a_bad_document_is_observed(home, drop, instance):
    drop("bad.maml.md", "nothing\n")
    found = _tick(instance, _tick(instance).cursor)
    (event,) = found.asset_events
    assert event.asset_key.path == ["chimera", "inbox"]
    assert event.metadata["accepted"].value is False
    assert event.metadata["report"].value["files"][0]["diagnostics"][0]["code"] == "MAML201"
    assert not found.run_requests


def test_a_known_web_server_is_asked_to_reload(home, drop, chain, instance, monkeypatch):
    asked = []
    monkeypatch.setenv(reload.WEBSERVER_VARIABLE, "http://127.0.0.1:1")
    monkeypatch.setattr(sensors.reload, "reload_location", asked.append)
    drop("a.maml.md", chain())
    found = _tick(instance, _tick(instance).cursor)
    assert asked == ["http://127.0.0.1:1"]
    assert "code location reloaded" in found.skip_reason.skip_message


def test_a_dead_web_server_loses_nothing(home, drop, chain, instance, monkeypatch):
    monkeypatch.setenv(reload.WEBSERVER_VARIABLE, "http://127.0.0.1:1")
    drop("a.maml.md", chain())
    found = _tick(instance, _tick(instance).cursor)
    assert "CHIM608" in found.skip_reason.skip_message
    assert _tick(instance, found.cursor).run_requests


def test_reload_says_who_did_not_answer():
    with pytest.raises(ChimeraError, match=r"no web server at 'http://127\.0\.0\.1:1'"):
        reload.reload_location("http://127.0.0.1:1")
