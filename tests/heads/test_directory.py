from __future__ import annotations

import json
import os
import stat

import pytest

from chimera_pipelines.errors import HeadUnavailableError, UsageError
from chimera_pipelines.heads import directory as module
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.proc import look
from tests.heads.test_state import state as any_state


def state(**changes):
    """What this process would publish if it were an agent."""
    mine = {"pid": os.getpid(), "created": look(os.getpid()).created}
    return any_state(**(mine | changes))


@pytest.fixture
def place(tmp_path):
    place = HeadsDirectory(tmp_path / "home" / "heads")
    place.ensure()
    return place


@pytest.fixture
def locked(place):
    handle = place.lock()
    yield place
    os.close(handle)


def test_the_folder_is_for_its_owner_alone(place):
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o700
    place.ensure()


def test_what_was_published_is_read(locked):
    locked.publish(state())
    assert stat.S_IMODE((locked.path / "state.json").stat().st_mode) == 0o600
    assert locked.read() == state()
    assert [p.name for p in locked.path.iterdir() if p.name.endswith(".new")] == []


def test_without_a_folder_or_a_lock_there_is_no_agent(tmp_path, place):
    assert HeadsDirectory(tmp_path / "none").read() is None
    assert not HeadsDirectory(tmp_path / "none").exists()
    assert place.read() is None
    place.publish(state())  # a dead agent left it
    assert place.read() is None
    assert not place.held()


def test_what_a_dead_agent_left_is_no_agent_to_those_who_see_its_heir_begin(locked):
    """Between taking the lock and removing the old state."""
    locked.publish(state(created=look(os.getpid()).created - 1))
    assert locked.held()
    assert locked.read() is None


def test_an_agent_that_has_published_nothing_yet_is_starting(locked):
    assert locked.read() is None
    assert locked.held()
    assert locked.holder()[0] == os.getpid()


def test_a_second_agent_is_refused(locked, monkeypatch):
    monkeypatch.setattr(module, "LOCK_S", 0.05)
    with pytest.raises(HeadUnavailableError) as refused:
        HeadsDirectory(locked.path).lock()
    assert refused.value.code == "CHIM710"


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_use_is_refused(locked, mode):
    locked.publish(state())
    locked.path.chmod(mode)
    for what in (locked.ensure, locked.read, locked.exists):
        with pytest.raises(UsageError, match="others") as refused:
            what()
        assert refused.value.code == "CHIM711"
    locked.path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_and_a_file_of_another_user_are_refused(locked):
    locked.publish(state())
    os.chown(locked.path / "state.json", 12345, 12345)
    with pytest.raises(UsageError, match="12345") as refused:
        locked.read()
    assert refused.value.code == "CHIM711"
    os.chown(locked.path, 12345, 12345)
    with pytest.raises(UsageError, match="12345"):
        locked.ensure()
    os.chown(locked.path, os.geteuid(), os.getegid())


def test_links_are_refused(locked, tmp_path):
    locked.publish(state())
    (locked.path / "state.json").rename(tmp_path / "elsewhere")
    (locked.path / "state.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError) as refused:
        locked.read()
    assert refused.value.code == "CHIM711"
    (tmp_path / "link").symlink_to(locked.path)
    with pytest.raises(UsageError, match="no folder"):
        HeadsDirectory(tmp_path / "link").ensure()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 1}', '"x"', "\x00"])
def test_a_damaged_state_is_said_so(locked, text):
    (locked.path / "state.json").touch(mode=0o600)
    (locked.path / "state.json").write_text(text)
    with pytest.raises((UsageError, HeadUnavailableError)) as refused:
        locked.read()
    assert refused.value.code in {"CHIM717", "CHIM712"}


def test_another_version_is_said_so(locked):
    locked.publish(state())
    value = json.loads((locked.path / "state.json").read_text())
    (locked.path / "state.json").write_text(json.dumps({**value, "protocol": 7}))
    with pytest.raises(HeadUnavailableError) as refused:
        locked.read()
    assert refused.value.code == "CHIM712"


def test_incarnations_go_on_across_agents(place):
    assert [place.next_incarnation("HEAD_1") for _ in range(3)] == [1, 2, 3]
    assert HeadsDirectory(place.path).next_incarnation("HEAD_1") == 4
    assert place.next_incarnation("HEAD_2") == 1
    assert place.incarnations() == {"HEAD_1": 4, "HEAD_2": 1}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"HEAD_1": "x"}'])
def test_damaged_numbers_begin_anew(place, text):
    (place.path / "incarnations.json").write_text(text)
    assert place.next_incarnation("HEAD_1") == 1


def test_clean_leaves_numbers_and_log(place):
    place.publish(state())
    place.next_incarnation("HEAD_1")
    place.log.touch()
    (place.path / "HEAD_1.1.sock").touch()
    (place.path / "state.json.ab.new").touch()
    place.clean()
    assert {p.name for p in place.path.iterdir()} == {"incarnations.json", "agent.log"}


@pytest.mark.parametrize("what", ["link", "folder"])
def test_a_lock_that_is_no_file_is_refused(place, tmp_path, what):
    lock = place.path / "lock"
    lock.mkdir() if what == "folder" else lock.symlink_to(tmp_path / "elsewhere")
    for act in (place.lock, place.held, place.read):
        with pytest.raises(UsageError, match=r"lock' is no file") as refusal:
            act()
        assert refusal.value.code == "CHIM711"
    assert not (tmp_path / "elsewhere").exists()
