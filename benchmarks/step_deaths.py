"""Preloaded into heads: notes when a step starts, and kills the head in one that is marked, once.

A mark is a file `die_KEY` in the folder TEST_MARKS; lines `start KEY SECONDS` and `kill KEY
SECONDS` go into the file TEST_TOLD, by the monotonic clock of the machine.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chimera_pipelines.heads.head_server import HeadServer

MARKS = Path(os.environ["TEST_MARKS"])
NOTES = Path(os.environ["TEST_TOLD"])
emit = HeadServer._emit  # noqa: SLF001 - what a benchmark changes is inside


def note(what: str, key: str) -> None:
    with NOTES.open("a") as file:
        file.write(f"{what} {key} {time.monotonic()}\n")


def emit_and_note(server: HeadServer, job: Any, frame: Mapping[str, Any]) -> None:
    key = str(frame.get("key"))
    if frame.get("is") == "start":
        note("start", key)
    emit(server, job, frame)
    mark = MARKS / f"die_{key}"
    if frame.get("is") == "start" and mark.exists():
        mark.unlink()
        note("kill", key)
        os.kill(os.getpid(), signal.SIGKILL)


HeadServer._emit = emit_and_note  # type: ignore[method-assign]  # noqa: SLF001
