"""What a keeper does where no process can be made; real heads are in test_agent.py."""

from __future__ import annotations

import errno
import selectors

import pytest

from chimera_pipelines.heads import keeper as module
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.keeper import MOST_FAILURES, Keeper, local_keepers
from chimera_pipelines.heads.office import Office
from chimera_pipelines.heads.state import KINDS

SECRET = b"s" * 32


@pytest.fixture
def office(tmp_path):
    directory = HeadsDirectory(tmp_path / "heads")
    directory.ensure()
    selector = selectors.DefaultSelector()
    changes = []
    yield Office(
        "agent",
        SECRET,
        directory,
        {},
        "cpu",
        None,
        selector,
        lambda: changes.append(None),
        list,
    )
    selector.close()


def no_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_every_head_has_one(office):
    assert {head: k.entry.kind for head, k in local_keepers(office).items()} == KINDS


def test_no_secret_is_shown(office):
    assert SECRET.decode() not in repr(office)


@pytest.mark.parametrize("what", ["deliver", "next_incarnation"])
def test_a_head_that_cannot_be_forked_is_tried_again_and_then_left_down(office, monkeypatch, what):
    owner = module if what == "deliver" else HeadsDirectory
    monkeypatch.setattr(owner, what, no_room)
    keeper = Keeper("HEAD_1", office)
    keeper.start()
    assert keeper.entry.state == "regenerating"
    assert keeper.gone
    for turn in range(MOST_FAILURES):
        keeper.tick(1e9 * (turn + 1))
    assert keeper.entry.state == "down"
    assert "No space left on device" in keeper.entry.problem
    assert keeper.entry.refusal("HEAD_1").code == "CHIM716"
    keeper.tick(1e12)
    assert keeper.entry.state == "down", "not by itself"
    keeper.start()
    assert keeper.entry.state == "regenerating", "but for who asks"
    keeper.stop()
    keeper.tick(1e13)
    assert keeper.gone


def test_the_next_incarnation_comes_after_the_last_of_another_agent(office):
    office.directory.next_incarnation("HEAD_2")
    assert Keeper("HEAD_2", office).entry.incarnation == 1
