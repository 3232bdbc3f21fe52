"""Preloaded into the heads of a test: two deaths that no signal from outside can time.

Marks are files: `die_after_KEY`, dies once, between the last event of the step and telling the run
worker; `poison_KEY`, the step kills every head that runs it.
"""

import os
import signal

from chimera_pipelines.heads.head_server import HeadServer
from tests.defs.executor.jobs import MARKS

emit = HeadServer._emit


def emit_or_die(self, job, frame):
    key = frame.get("key")
    once, poison = MARKS / f"die_after_{key}", MARKS / f"poison_{key}"
    if frame.get("is") == "end" and once.exists():
        once.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    emit(self, job, frame)
    if frame.get("is") == "start" and poison.exists():
        os.kill(os.getpid(), signal.SIGKILL)


HeadServer._emit = emit_or_die
