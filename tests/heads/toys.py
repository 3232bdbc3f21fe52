"""Performers for tests: small works whose behaviour the payload chooses."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

from chimera_pipelines.errors import KernelError
from chimera_pipelines.heads.performer import DeviceLostError


class Toy:
    """payload: {"steps": [[key, what, argument], …]}."""

    def __init__(self, here):
        self.here = here
        self.works = 0
        self.stop = threading.Event()

    def perform(self, work, emit):
        self.works += 1
        self.stop.clear()
        for key, what, argument in work.payload["steps"]:
            if work.cancelled:
                return
            emit({"is": "start", "key": key})
            value = getattr(self, what)(argument)
            emit({"is": "end", "key": key, "value": value, "pid": os.getpid()})

    def cancel(self, work):
        self.stop.set()
        if work.payload.get("interrupt"):
            self.here.interrupt()

    def close(self):
        if path := os.environ.get("TOY_CLOSED"):
            Path(path).write_text(str(os.getpid()))

    def echo(self, value):
        return value

    def count(self, _):
        return self.works

    def sleep(self, seconds):
        return self.stop.wait(seconds)

    def spin(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass

    def hold_gil(self, seconds):
        """Compute in C with the GIL held, so that no thread of this process beats."""
        libc = ctypes.PyDLL(None)
        until = time.monotonic() + seconds
        data = ctypes.create_string_buffer(1 << 28)
        while time.monotonic() < until:
            libc.memset(data, 1, len(data))

    def fail(self, message):
        raise KernelError("MAML505", message, phase="measure", hint="a hint")

    def crash(self, message):
        raise RuntimeError(message)

    def lose_device(self, message):
        raise DeviceLostError(message)

    def kill(self, number):
        os.kill(os.getpid(), number)
        time.sleep(60)

    def allocate(self, size):
        return sum(bytearray(size)[:: 1 << 20])

    def fenced(self, _):
        return self.here.fenced()

    def before(self, _):
        before = self.here.before
        return None if before is None else [before.incarnation, before.reason, before.signal]

    def modules(self, names):
        return [name in sys.modules for name in names]

    def environment(self, name):
        return os.environ.get(name)


class Stillborn:
    """A module attribute that kills the process which asks for it."""

    def __init__(self, here):
        os.kill(os.getpid(), signal.SIGKILL)


def worker(path, text):
    """A run worker."""
    Path(path).write_text(f"{text} {os.getpid()} {os.getsid(0)}")
