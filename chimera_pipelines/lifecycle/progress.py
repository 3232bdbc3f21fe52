"""How far the kernels of a run have come, for the head that goes on when one has died.

A note is JSON of one run, kernel, partition and name: the outcome that is about to be signed, the
carried values of a feedback loop. It outlives the process that wrote it, not the machine: it is
written beside its place and renamed, and nothing waits for the disk, so that a loop can leave one
each pass. A note that is not whole counts as none, and its kernel is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ABANDONED_S = 7 * 24 * 3600
"""Notes of runs that never ended are removed after so long."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """Whose note it is; `run` is a ULID, the rest may be any text."""

    run: str
    kernel: str
    partition: str | None
    name: str


class Progress:
    """The notes below a folder, one folder a run. For any number of processes.

    Args:
        root: made when a note is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, key: NoteKey, value: Any) -> None:
        """Keep a note, in place of an earlier one.

        Args:
            key: whose.
            value: plain JSON.

        Raises:
            OSError: it cannot be written.
        """
        text = json.dumps(value, separators=(",", ":")).encode()
        path = self._path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as to:
                to.write(_mark(text) + b"\n" + text)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def load(self, key: NoteKey) -> Any:
        """The newest note, or None where there is none that is whole."""
        try:
            mark, _, text = self._path(key).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        return json.loads(text) if mark == _mark(text) else None

    def drop(self, key: NoteKey) -> None:
        """Forget a note; one that is not there is no error."""
        self._path(key).unlink(missing_ok=True)

    def end(self, run_id: str) -> None:
        """Forget all notes of a run, and of runs that were abandoned long ago."""
        shutil.rmtree(self._folder(run_id), ignore_errors=True)
        with suppress(OSError):  # another process clears up too
            for folder in self.root.iterdir():
                if time.time() - folder.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(folder, ignore_errors=True)

    def _path(self, key: NoteKey) -> Path:
        text = json.dumps([key.kernel, key.partition, key.name])
        return self._folder(key.run) / hashlib.sha256(text.encode()).hexdigest()[:32]

    def _folder(self, run_id: str) -> Path:
        if not run_id.isalnum():
            raise ValueError(f"not the id of a run: {run_id!r}")
        return self.root / run_id


def _mark(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()
