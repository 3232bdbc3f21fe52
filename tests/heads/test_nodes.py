from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.nodes import claim, fence, fence_all, make, remove
from chimera_pipelines.heads.performer import HeadContext


@pytest.fixture
def heads(tmp_path: Path) -> HeadsDirectory:
    """The folder of a cluster's agent."""
    found = HeadsDirectory(tmp_path / "heads")
    found.ensure()
    return found


@pytest.fixture
def nodes(heads: HeadsDirectory) -> Path:
    """The folder for its machines."""
    return make(heads.path, "a1")


def _fenced(folder: Path, head: str, incarnation: int) -> bool:
    here = SimpleNamespace(directory=folder, id=head, incarnation=incarnation)
    return HeadContext.fenced(here)  # type: ignore[arg-type]


def test_numbers_go_on_from_the_cluster_and_from_the_machine_before(
    heads: HeadsDirectory, nodes: Path
) -> None:
    heads.note_incarnation("HEAD_1", 4)
    first, silent = claim(nodes, 0)
    assert silent is None
    assert HeadsDirectory(first).next_incarnation("HEAD_1") == 5
    assert HeadsDirectory(first).next_incarnation("HEAD_3") == 1
    # The machine is gone before the cluster's agent has heard of HEAD_1.5.
    fence(first, silent_s=2.5)
    second, silent = claim(nodes, 0)
    assert silent == 2.5
    assert HeadsDirectory(second).incarnations() == {"HEAD_1": 5, "HEAD_3": 1}
    other, silent = claim(nodes, 1)
    assert (HeadsDirectory(other).incarnations(), silent) == ({"HEAD_1": 4}, None)


def test_a_fenced_machine_can_change_nothing_and_start_nothing(nodes: Path) -> None:
    folder, _ = claim(nodes, 0)
    HeadsDirectory(folder).next_incarnation("HEAD_1")
    assert not _fenced(folder, "HEAD_1", 1)
    fence(folder)
    assert _fenced(folder, "HEAD_1", 1)
    with pytest.raises(OSError):  # noqa: PT011 - its agent ends of it
        HeadsDirectory(folder).next_incarnation("HEAD_1")
    fence(folder)  # twice is once


def test_a_machine_is_fenced_where_how_long_it_was_silent_cannot_be_written(nodes: Path) -> None:
    folder, _ = claim(nodes, 0)
    (folder / "silent").mkdir()
    fence(folder, silent_s=1.0)
    assert not folder.exists()


def test_who_replaces_the_agent_fences_all_its_machines(heads: HeadsDirectory, nodes: Path) -> None:
    folders = [claim(nodes, slot)[0] for slot in (0, 1)]
    for folder in folders:
        HeadsDirectory(folder).next_incarnation("HEAD_1")
    fence_all(heads.path)
    fence_all(heads.path)
    assert all(_fenced(folder, "HEAD_1", 1) for folder in folders)
    assert claim(nodes, 0)[1] == 0.0


def test_a_number_that_is_older_is_not_noted(heads: HeadsDirectory) -> None:
    heads.note_incarnation("HEAD_2", 3)
    heads.note_incarnation("HEAD_2", 2)
    assert json.loads((heads.path / "incarnations.json").read_text()) == {"HEAD_2": 3}


def test_the_next_agent_goes_on_with_the_numbers_and_leaves_nothing(
    heads: HeadsDirectory, nodes: Path
) -> None:
    folder, _ = claim(nodes, 0)
    HeadsDirectory(folder).next_incarnation("HEAD_1")
    HeadsDirectory(folder).next_incarnation("HEAD_1")
    following = make(heads.path, "a2")
    assert _fenced(folder, "HEAD_1", 2)
    assert not nodes.exists()
    assert HeadsDirectory(claim(following, 1)[0]).incarnations() == {"HEAD_1": 2}
    remove(heads.path, "a1")  # the first one's placer ends late
    assert following.exists()
    remove(heads.path, "a2")
    assert sorted(path.name for path in heads.path.iterdir()) == ["incarnations.json"]
