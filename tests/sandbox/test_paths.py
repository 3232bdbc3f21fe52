from __future__ import annotations

import os
import sys
from pathlib import Path

import chimera_pipelines
from chimera_pipelines.sandbox import paths


def _covers(path: Path) -> bool:
    return any(path.is_relative_to(allowed) for allowed in paths.readable())


def test_interpreter_library_and_package_are_readable() -> None:
    assert _covers(Path(os.__file__))
    assert _covers(Path(chimera_pipelines.__file__))
    assert _covers(Path(sys.executable).absolute())
    assert _covers(Path(sys.executable).resolve())


def test_no_prefix_home_or_working_folder_is_readable_as_a_whole() -> None:
    forbidden = [Path(sys.prefix), Path(sys.base_prefix), Path.home(), Path.cwd()]
    forbidden += [Path("/"), Path("/etc"), Path("/tmp"), Path("/proc")]
    assert not set(map(str, forbidden)) & set(paths.readable())
    assert not _covers(Path.cwd() / "data")


def test_no_path_lies_within_another_and_parents_come_first() -> None:
    readable = paths.readable()
    for path in readable:
        assert not any(path.startswith(other + "/") for other in readable)
    seen: set[str] = {"/", "/tmp"}
    for folder in paths.parents():
        assert str(Path(folder).parent) in seen
        seen.add(folder)
    assert all(str(Path(path).parent) in seen for path in readable)
