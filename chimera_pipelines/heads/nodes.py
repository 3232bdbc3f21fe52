"""Folders of the agents that run on other machines, `nodes/AGENT/` in the cluster's agent's folder.

They lie on storage that all machines share, so that an agent can be fenced whether or not its
machine can be reached.
"""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.performer import INCARNATIONS

ORDER = "order.json"
_NODES = "nodes"
_ENDED = ".ended"
_SILENT = "silent"


def make(heads: Path, agent: str) -> Path:
    """The folder in which the machines of a cluster's agent get theirs.

    What an agent before it left is fenced and goes; its numbers are kept.

    Args:
        heads: folder of the cluster's agent.
        agent: its id.
    """
    fence_all(heads)
    for path in (heads / _NODES).glob("*/*"):
        for head, number in HeadsDirectory(path).incarnations().items():
            HeadsDirectory(heads).note_incarnation(head, number)
    shutil.rmtree(heads / _NODES, ignore_errors=True)
    nodes = heads / _NODES / agent
    for folder in (nodes.parent, nodes):
        folder.mkdir(mode=0o700, exist_ok=True)
    return nodes


def remove(heads: Path, agent: str) -> None:
    """Remove what `make` made."""
    shutil.rmtree(heads / _NODES / agent, ignore_errors=True)
    with suppress(OSError):  # another agent's are there
        (heads / _NODES).rmdir()


def claim(nodes: Path, slot: int) -> tuple[Path, float | None]:
    """A new folder for the agent of a slot, in which its heads count on from their last numbers.

    Args:
        nodes: as `make` gave it.
        slot: of the group of heads.

    Returns:
        The folder; and, when the slot had one before, whose heads are to be regenerated, for how
        many seconds that one was silent before it was fenced.
    """
    before = sorted(
        (path for path in nodes.glob(f"{slot}-*") if path.is_dir()), key=lambda p: p.stat().st_mtime
    )
    numbers: dict[str, int] = {}
    for path in (nodes.parent.parent, *before):
        for head, number in HeadsDirectory(path).incarnations().items():
            numbers[head] = max(number, numbers.get(head, 0))
    folder = nodes / f"{slot}-{secrets.token_hex(6)}"
    folder.mkdir(mode=0o700)
    (folder / INCARNATIONS).touch(mode=0o600)
    (folder / INCARNATIONS).write_text(json.dumps(numbers))
    return folder, _silent(before[-1]) if before else None


def _silent(folder: Path) -> float:
    try:
        return float((folder / _SILENT).read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


def fence(folder: Path, *, silent_s: float = 0.0) -> None:
    """Let no head of that agent change anything any more, wherever it may still run.

    A head that does not find its number under its folder's name is fenced, and an agent that cannot
    count there ends.

    Args:
        folder: of the agent.
        silent_s: for how long it has not answered.
    """
    with suppress(OSError):  # no room, say: that is no reason not to fence
        (folder / _SILENT).write_text(f"{silent_s:.6f}")
    with suppress(FileNotFoundError):
        folder.rename(folder.with_name(folder.name + _ENDED))


def fence_all(heads: Path) -> None:
    """Fence every agent that was placed for the agent of this folder."""
    for path in (heads / _NODES).glob("*/*-*"):
        if path.is_dir() and path.suffix != _ENDED:
            fence(path)
