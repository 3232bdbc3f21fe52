"""Spare sessions that have done their imports and wait for a stranger.

One background thread starts spares, one at a time and at low priority where the priority can be
restored; at most `size` exist at once. A session is handed out once and never comes back.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from chimera_pipelines.errors import SandboxUnavailableError
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier

_LOW_PRIORITY = 10
_LOOK_S = 1.0  # between looks at whether the background thread is still there
_log = logging.getLogger(__name__)
_open: weakref.WeakSet[SessionPool] = weakref.WeakSet()
os.register_at_fork(after_in_child=_open.clear)


class SessionPool:
    """Sessions of one tier and one set of limits; safe for threads.

    Args:
        tier: of all sessions.
        limits: of each session.
        size: most spares at once, over all flavours of preload.
    """

    def __init__(self, tier: Tier, limits: Limits, *, size: int = 2) -> None:
        self.tier = tier
        self.limits = limits
        self._size = size
        self._changed = threading.Condition()
        self._wanted: dict[tuple[str, ...], int | None] = {}
        self._spares: list[Session] = []
        self._starting: Session | None = None
        self._claimed = False
        self._closed = False
        self._thread: threading.Thread | None = None
        _open.add(self)

    def warm(self, preload: Iterable[str], *, count: int | None = None) -> None:
        """Have spares of a flavour started in the background; returns at once.

        Args:
            preload: modules that the spares import.
            count: how many sessions of the flavour will be asked for in all; None keeps one in
                stock until the pool is closed.
        """
        with self._changed:
            if self._closed or self._size < 1:
                return
            flavour = tuple(preload)
            held = self._wanted.get(flavour, 0)
            self._wanted[flavour] = None if count is None or held is None else held + count
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._fill, name="chimera-session-pool", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def acquire(self, preload: Iterable[str] = ()) -> Session:
        """A session that nobody has used; the caller closes it.

        Raises:
            SandboxUnavailableError: it does not start.
        """
        flavour = tuple(preload)
        session = self._take(flavour)
        if session is None:
            session = Session(self.tier, self.limits, preload=flavour)
        try:
            session.await_ready()
        except BaseException:
            session.close()
            raise
        return session

    def _take(self, flavour: tuple[str, ...]) -> Session | None:
        """A spare of the flavour, one that is being started included."""
        with self._changed:
            if self._closed:
                raise SandboxUnavailableError("CHIM302", "the session pool is closed")
            left = self._wanted.get(flavour, 0)
            if left:
                self._wanted[flavour] = left - 1
            while not self._closed:
                for session in self._spares:
                    if session.preload == flavour:
                        self._spares.remove(session)
                        self._changed.notify_all()
                        return session
                starting = self._starting
                if starting is None or starting.preload != flavour or self._claimed:
                    return None
                self._claimed = True
                starting.hurry()
                while self._starting is starting and self._filling():
                    self._changed.wait(_LOOK_S)
                self._claimed = False
            return None

    def _fill(self) -> None:
        while (flavour := self._next_flavour()) is not None:
            session: Session | None = None
            try:
                session = Session(self.tier, self.limits, preload=flavour, niceness=_LOW_PRIORITY)
                with self._changed:
                    self._starting = session
                session.warm_up()
            except SandboxUnavailableError:
                pass  # whoever asks for one is told
            except Exception:  # noqa: BLE001 - the next flavour must be served
                _log.exception("a spare session of %s does not start", flavour)
                if session is not None:
                    _end(session)
                    session = None
            finally:
                self._started(flavour, session)

    def _filling(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _started(self, flavour: tuple[str, ...], session: Session | None) -> None:
        with self._changed:
            self._starting = None
            if session is None or not session.ready:
                self._wanted.pop(flavour, None)
            elif self._closed:
                session.close()
            else:
                self._spares.append(session)
            self._changed.notify_all()

    def _next_flavour(self) -> tuple[str, ...] | None:
        """Waits for something to start; None once the pool is closed."""
        with self._changed:
            while not self._closed:
                if len(self._spares) < self._size:
                    stock = [session.preload for session in self._spares]
                    lacking = [
                        (stock.count(flavour), flavour)
                        for flavour, left in self._wanted.items()
                        if stock.count(flavour) < (1 if left is None else min(left, self._size))
                    ]
                    if lacking:
                        return min(lacking)[1]
                self._changed.wait()
            return None

    def close(self) -> None:
        """End all spares; sessions that were handed out are their takers'."""
        with self._changed:
            self._closed = True
            spares, self._spares = self._spares, []
            starting = self._starting
            self._changed.notify_all()
        for session in spares:
            session.close()
        if starting is not None:
            starting.abort()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _end(session: Session) -> None:
    try:
        session.close()
    except Exception:  # noqa: BLE001 - nor may a spare that stays end the thread
        _log.exception("a spare session does not end")


@atexit.register
def _close_all() -> None:
    for pool in list(_open):
        pool.close()
