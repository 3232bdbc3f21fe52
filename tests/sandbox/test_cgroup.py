from __future__ import annotations

import os
from pathlib import Path

import pytest

from chimera_pipelines.sandbox import cgroup
from chimera_pipelines.sandbox.cgroup import Cgroup
from chimera_pipelines.sandbox.limits import Limits


def test_groups_are_removed() -> None:
    group = Cgroup.create(Limits())
    folders = list(group._folders)
    assert all(folder.is_dir() for folder in folders)
    assert len(group.join) == len(folders)
    assert not group.killed_for_memory()
    group.close()
    group.close()
    assert not any(folder.exists() for folder in folders)


def _hierarchy(root: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, str]) -> None:
    """A folder that answers as a cgroup file system does, as far as plain files can."""
    monkeypatch.setattr(cgroup, "_ROOT", root)
    monkeypatch.setattr(cgroup, "_own", own.get)
    real = Path.mkdir

    def mkdir(self: Path) -> None:
        real(self)
        for name in ("cgroup.procs", "memory.max", "memory.events"):
            (self / name).touch()

    monkeypatch.setattr(Path, "mkdir", mkdir)


def test_version_2_is_used_where_memory_is_handed_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hierarchy(tmp_path, monkeypatch, {"": "user/scope"})
    for folder in (tmp_path / "user", tmp_path / "user" / "scope"):
        folder.mkdir()
    (tmp_path / "user/scope/cgroup.subtree_control").write_text("")
    (tmp_path / "user/cgroup.subtree_control").write_text("memory pids")
    limits = Limits(memory_bytes=1000, tmp_bytes=10, processes=3)
    group = Cgroup.create(limits)
    (folder,) = group._folders
    assert folder.parent == tmp_path / "user"
    assert group.facts == "cgroup v2"
    assert int((folder / "memory.max").read_text()) == 1020 + 512 * 1024**2
    assert int((folder / "pids.max").read_text()) == 3 + 64
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert group.killed_for_memory()
    assert str(folder / "memory.max") in group.limit_files()
    group.release_descriptors()


def test_no_group_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _hierarchy(tmp_path, monkeypatch, {})
    group = Cgroup.create(Limits())
    assert group.join == []
    assert group.facts == "no cgroup is writable"
    group.close()


def test_groups_of_the_killed_are_swept(tmp_path: Path) -> None:
    old, young, used = (tmp_path / f"chimera-{2**22 + n}-0" for n in range(3))
    mine, other = tmp_path / f"chimera-{os.getpid()}-0", tmp_path / "elsewhere"
    for folder in (old, young, used, mine, other):
        folder.mkdir()
    (used / "busy").touch()
    for folder in (old, used, mine, other):
        os.utime(folder, (0, 0))
    cgroup._sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([young, used, mine, other])
