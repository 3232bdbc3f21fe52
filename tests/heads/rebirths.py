"""Regenerators for tests: they write down what they were called for, refuse, or die."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.timeline import Stage


class Quiet:
    """Notes every timeline in the file REBIRTHS."""

    def __init__(self, here):
        self.here = here
        self.notes = Path(os.environ["REBIRTHS"])

    def regenerate(self, watch):
        with watch.stage(Stage.VERIFY):
            watch.note(tickets=3, recomputed=3 if self.here.before.recompute else 0)

    def record(self, timeline):
        with self.notes.open("a") as file:
            file.write(json.dumps(timeline.as_json()) + "\n")


class Distrusted(Quiet):
    """A head whose tickets do not verify, as long as the file REBIRTHS.bad is there."""

    def regenerate(self, watch):
        super().regenerate(watch)
        if self.notes.with_suffix(".bad").exists():
            raise HeadUnavailableError("CHIM740", f"{self.here.id} stays out of service: ticket 7")


class Broken(Quiet):
    """States that cannot be read."""

    def regenerate(self, watch):
        raise OSError("no space left on device")


class Fatal(Quiet):
    """Dies while it comes back, the first two times."""

    def regenerate(self, watch):
        deaths = self.notes.with_suffix(".deaths")
        before = len(deaths.read_bytes()) if deaths.exists() else 0
        deaths.write_bytes(b"x" * (before + 1))
        if before < 2:
            os.kill(os.getpid(), signal.SIGKILL)
        super().regenerate(watch)


class Slow(Quiet):
    """Takes its time before it is one."""

    def __init__(self, here):
        time.sleep(4)
        super().__init__(here)
