"""Heads as `chimera.heads/1` shows them (CLI.md)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from chimera_pipelines.heads.state import KINDS, HeadEntry, State

SCHEMA = "chimera.heads/1"


def rows_of_status(status: Mapping[str, Any], *, now: float | None = None) -> list[dict[str, Any]]:
    """The rows of an agent's answer to `status`.

    Args:
        status: the frame; heads' beats tell what they do, so that no busy head is asked.
        now: seconds since 1970.
    """
    state = State.from_json(status["state"], secret=b"")
    at = time.time() if now is None else now
    return [
        _row(head, entry, status["heads"][head]["beat"], at)
        for head, entry in sorted(state.heads.items())
    ]


def rows_without_agent(
    device: Literal["cpu", "gpu"], incarnations: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The rows where no agent runs: all heads are down.

    Args:
        device: that they would have.
        incarnations: that ran last.
    """
    return [
        _row(head, HeadEntry(kind, device, incarnation=incarnations.get(head, 0)), {}, 0.0)
        for head, kind in KINDS.items()
    ]


def _row(head: str, entry: HeadEntry, beat: Mapping[str, Any], now: float) -> dict[str, Any]:
    busy = entry.state == "idle" and beat.get("busy", False)
    running = entry.started is not None and entry.pid is not None
    return {
        "head": head,
        "kind": entry.kind,
        "device": entry.device,
        "state": "busy" if busy else entry.state,
        "pid": entry.pid,
        "incarnation": entry.incarnation,
        "step": beat.get("step") if busy else None,
        "queued": beat.get("queued", 0),
        "registers": beat.get("registers", 0),
        "register_bytes": beat.get("register_bytes", 0),
        "uptime_s": round(now - (entry.started or now), 3) if running else None,
        "reputation": None,
    }
