"""SIGINT in a head: KeyboardInterrupt while work is performed, never in the middle of a frame."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupts:
    """When the main thread may be interrupted; all methods but `handle` are for that thread.

    An interrupt that comes while a frame is sent waits for its end; one that comes when no work is
    performed was meant for a work that is over, and is forgotten.
    """

    def __init__(self) -> None:
        self._allowed = False
        self._shields = 0
        self._waiting = False

    def install(self) -> None:
        """Take SIGINT."""
        signal.signal(signal.SIGINT, self.handle)

    def handle(self, *_: object) -> None:
        """The signal handler."""
        if not self._allowed:
            return
        if self._shields:
            self._waiting = True
            return
        raise KeyboardInterrupt

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Work is performed: an interrupt raises KeyboardInterrupt here."""
        self._waiting = False
        self._allowed = True
        try:
            yield
        finally:
            self._allowed = False

    def forbid(self) -> None:
        """No interrupt from here on, should one have hit the end of `allowed` itself."""
        self._allowed = self._waiting = False

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """No interrupt within; one that came is raised at the end."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            if self._waiting and not self._shields:
                self._waiting = False
                if self._allowed:
                    raise KeyboardInterrupt
