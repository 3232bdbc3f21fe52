"""What an agent makes of what it is told; the processes are in `test_placement.py`."""

from __future__ import annotations

import selectors
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.nodes import claim, make
from chimera_pipelines.heads.performer import Predecessor
from chimera_pipelines.heads.remote_keeper import Cluster, Placer, RemoteKeeper
from chimera_pipelines.heads.state import HeadEntry


class Desk:
    """A keeper with an office and a placer that only remember."""

    def __init__(self, folder: Path) -> None:
        self.directory = HeadsDirectory(folder)
        self.directory.ensure()
        self.changes = 0
        self.asked: list[dict[str, Any]] = []
        office: Any = SimpleNamespace(directory=self.directory, device="cpu", changed=self._changed)
        placer: Any = SimpleNamespace(send=self.asked.append, gone=False)
        self.keeper = RemoteKeeper("HEAD_1", office, placer)

    def _changed(self) -> None:
        self.changes += 1

    def told(self, entry: HeadEntry) -> HeadEntry:
        self.keeper.told(asdict(entry), {"busy": False})
        return self.keeper.entry


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "heads")


UP = HeadEntry("quantum", "cpu", "tcp:10.0.0.5:4000", 77, 5, 1, "idle", 1.0, 0.2)


def test_a_head_of_another_machine_is_published_with_its_address(desk: Desk) -> None:
    desk.keeper.start()
    assert desk.asked == [{"do": "start", "head": "HEAD_1"}]
    assert desk.told(UP) == UP
    assert desk.keeper.entry.remote
    assert desk.directory.incarnations() == {"HEAD_1": 1}
    assert desk.changes == 1
    desk.told(UP)
    assert desk.changes == 1


def test_a_lost_machine_is_the_end_of_its_incarnation_and_not_of_the_head(desk: Desk) -> None:
    desk.told(UP)
    desk.keeper.lost("its machine does not answer", 1.5)
    entry = desk.keeper.entry
    assert (entry.state, entry.address, entry.pid) == ("regenerating", None, None)
    assert entry.before == Predecessor(1, "its machine does not answer", None, 1.5, 0.0)
    # The next machine has an agent, and has not started the head yet.
    gone = Predecessor(1, "its machine is gone", None, 0.0, 0.0)
    waiting = HeadEntry("quantum", "cpu", incarnation=1, before=gone)
    assert desk.told(waiting) == entry
    again = replace(UP, address="tcp:10.0.0.6:4000", incarnation=2, before=gone)
    assert desk.told(again) == replace(again, before=entry.before)
    assert desk.directory.incarnations() == {"HEAD_1": 2}


def test_what_an_old_machine_still_tells_is_not_believed(desk: Desk) -> None:
    desk.told(replace(UP, incarnation=2))
    desk.told(replace(UP, address="tcp:10.0.0.9:1", incarnation=1))
    assert desk.keeper.entry == replace(UP, incarnation=2)


def test_a_death_on_its_machine_is_told_without_that_machines_clock(desk: Desk) -> None:
    desk.told(UP)
    before = Predecessor(1, "killed by SIGKILL", 9, 0.1, 0.2, 12345.6)
    found = desk.told(replace(UP, incarnation=2, before=before))
    assert found.before == replace(before, fenced_at=None)


def test_a_head_that_cannot_be_placed_says_why_until_it_is_asked_for_again(desk: Desk) -> None:
    desk.keeper.fails(HeadUnavailableError("CHIM757", "no machine has 1 GPU"))
    assert (desk.keeper.entry.state, desk.keeper.entry.problem) == ("down", "no machine has 1 GPU")
    desk.keeper.start()
    assert desk.keeper.entry.problem is None


def test_a_restart_is_asked_of_its_machine(desk: Desk) -> None:
    desk.told(UP)
    desk.keeper.fence("fault: bad signature", recompute=True)
    assert desk.asked == [
        {"do": "restart", "head": "HEAD_1", "reason": "fault: bad signature", "recompute": True}
    ]
    assert desk.keeper.wanted


def test_heads_are_fenced_before_it_is_told_that_who_placed_them_is_gone(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = tmp_path / "placer"
    # It reads its order first: what is unread at its end would hide what it said (ECONNRESET).
    brief.write_text('#!/bin/bash\nread -rn 1 -u "$4"\nprintf \'{"is": "ready"}\' >&"$4"\n')
    brief.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(brief))
    folder, _ = claim(make(desk.directory.path, "a1"), 0)
    there: list[bool] = []
    with selectors.DefaultSelector() as selector:
        office: Any = SimpleNamespace(
            directory=desk.directory,
            device="cpu",
            agent="a1",
            secret=b"",
            performers={},
            selector=selector,
            changed=lambda: there.append(folder.exists()),
        )
        placer = Placer(Cluster("auto"), office)
        placer.keepers["HEAD_1"].told(asdict(UP), {})
        while not placer.gone:
            for key, mask in selector.select(30):
                key.data(mask)
    assert placer.keepers["HEAD_1"].entry.state == "regenerating"
    assert there == [True, False]
