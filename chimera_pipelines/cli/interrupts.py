"""Ctrl-C while documents run: the first stops the run in good order, the second the process.

The first becomes no exception, since that would come at any place of the main thread, in the midst
of an entry to a History too. It stops the run instead, whose kernels then end, leave their failed
tickets and are reported like any others.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from chimera_pipelines.errors import ExitCode

if TYPE_CHECKING:
    from chimera_pipelines.lifecycle.run import Run

_NOTICE = "stopping; Ctrl-C again to stop at once"
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupts:
    """What Ctrl-C does while `caught` is open.

    Attributes:
        requested: whether it was pressed; then no further run is begun.
    """

    def __init__(self) -> None:
        self.requested = False
        self._run: Run | None = None

    def watch_over(self, run: Run) -> None:
        """Take the run that Ctrl-C shall stop; one that comes after it is stopped right away."""
        self._run = run
        if self.requested:
            self._stop(run)

    def take(self, _signal: int, _frame: FrameType | None) -> None:
        """Handle SIGINT."""
        if self.requested:
            _leave()
        self.requested = True
        sys.stderr.write(f"{_NOTICE}\n")
        sys.stderr.flush()
        if self._run is not None:
            self._stop(self._run)

    @staticmethod
    def _stop(run: Run) -> None:
        from chimera_pipelines.lifecycle.run import INTERRUPTED

        run.stop(INTERRUPTED)


@contextmanager
def caught() -> Iterator[Interrupts]:
    """Turn SIGINT to an `Interrupts`; an embedding program's own handler stays."""
    interrupts = Interrupts()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts.take)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave() -> None:
    """End this process now. Its sandboxes die with it, and History entries are written whole."""
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR)
    os._exit(int(ExitCode.INTERRUPTED))
