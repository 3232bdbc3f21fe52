"""Performers for tests: small works whose behaviour the payload chooses."""

from __future__ import annotations

import ctypes
import json
import os
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

    def hold_gil(self, count):
        """Compute in C with the GIL held all the time, so that no thread of this process beats."""
        return sum(range(count))

    def hang(self, seconds):
        """Sleep with the GIL held: no thread of this process beats, and none computes."""
        return ctypes.PyDLL(None).sleep(seconds)

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


def worker(path, go):
    """A run worker: waits for a file, and notes where it is and what sockets it has."""
    sys.stdout.write("hello\n")
    while not Path(go).exists():
        time.sleep(0.02)
    links = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists()]
    note = {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "cwd": str(Path.cwd()),
        "seen": os.environ.get("CHIMERA_TOY"),
        "sockets": [link for link in links if "socket" in link or "lock" in link],
    }
    Path(f"{path}.new").write_text(json.dumps(note))
    Path(f"{path}.new").rename(path)


class Stillborn:
    """A regenerator that no head survives."""

    def __init__(self, here):
        os._exit(9)
