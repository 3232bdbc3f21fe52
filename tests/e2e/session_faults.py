"""Preloaded into the heads of a test: ends of heads that run a feedback block for another head.

`die_call`  in the folder TEST_MARKS: the head is killed when it was asked for its second call, once
`stop_call` it is stopped then
"""

import os
import signal
from pathlib import Path

from chimera_pipelines.lifecycle.session_desk import _Guest

MARKS = Path(os.environ["TEST_MARKS"])
SIGNALS = {"die_call": signal.SIGKILL, "stop_call": signal.SIGSTOP}
do = _Guest._do


def marked(name):
    try:
        (MARKS / name).unlink()
    except FileNotFoundError:
        return False
    return True


def do_or_die(self, message):
    if message.frame["op"] == "call":
        self.calls = getattr(self, "calls", 0) + 1
        for name, number in SIGNALS.items():
            if self.calls == 2 and marked(name):
                os.kill(os.getpid(), number)
    return do(self, message)


_Guest._do = do_or_die
