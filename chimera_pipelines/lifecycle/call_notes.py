"""Notes of a python block's call: what `blocks` keeps of it, for the head that goes on.

They are JSON of strangers, handed to calls of the same kernel, inputs and seed in the same run and
to nobody else, and sealed on the disk where the kernel wants encryption.
"""

from __future__ import annotations

import json
import logging
import time

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.lifecycle.records import Invocation
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.sandbox.notes import EVERY_S, MAX_BYTES, MAX_NAMES, Notes

NOTE = "call"
_LOG = logging.getLogger(__name__)
_LEAST_S = EVERY_S / 2  # what comes faster is forged, and dropped


def notes_of(run: Run, invocation: Invocation) -> Notes:
    """The notes of the kernel's call as an earlier process or attempt left them, and their keeper.

    A note that cannot be written is said in the log and costs nothing but the note.
    """
    of: list[JSONValue] = [invocation.input_digest, invocation.seed]
    found = run.noted(invocation.kernel, NOTE)
    kept: dict[str, JSONValue] = dict(found["notes"]) if found and found["of"] == of else {}
    given = dict(kept)
    taken_at = -_LEAST_S

    def keep(name: str, value: JSONValue) -> None:
        nonlocal taken_at
        full = len(kept) >= MAX_NAMES and name not in kept
        if full or time.monotonic() - taken_at < _LEAST_S or _size(value) > MAX_BYTES:
            return
        kept[name] = value
        try:
            run.note(invocation.kernel, NOTE, {"of": of, "notes": kept})
        except OSError as error:
            _LOG.warning("a note of '%s' cannot be written: %s", invocation.kernel, error)
        taken_at = time.monotonic()

    return Notes(given, keep)


def _size(value: JSONValue) -> int:
    return len(json.dumps(value))
