"""AI heads lend sandbox sessions to feedback blocks of kernels on quantum heads: who asks whom.

Where heads are processes `scheduling.lender` finds one; where all live in one, `InProcess` does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.heads.protocol import Head
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.sandbox.outcomes import Attachment, Outcome


class LentSession(Protocol):
    """What a feedback block needs of a session; see `sandbox.session.Session`."""

    def load(self, name: str, source: str, *, filename: str, first_line: int) -> Outcome:
        """See `Session.load`."""
        ...

    def call(
        self,
        block: str,
        function: str,
        arguments: Mapping[str, JSONValue],
        *,
        attachments: Sequence[Attachment] = (),
        timeout_s: float,
    ) -> Outcome:
        """See `Session.call`."""
        ...

    def abort(self) -> None:
        """See `Session.abort`."""
        ...

    def close(self) -> None:
        """See `Session.close`."""
        ...


@dataclass(frozen=True, slots=True)
class Lent:
    """A session of a head, for one kernel's feedback block."""

    session: LentSession
    head: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A session that is asked for.

    Attributes:
        run_id: of the run, from which draws follow.
        kernel: whose feedback block it is for.
        avoid: heads that were lost in this pass; others are taken while there are any.
        left: seconds that the kernel still has; nothing once its run is stopped.
    """

    run_id: str
    kernel: KernelSpec
    spec: SessionSpec
    avoid: tuple[str, ...]
    left: Callable[[], float]


class Lender(Protocol):
    """Finds AI heads."""

    def lend(self, wish: Wish) -> Lent | None:
        """A session of an AI head; None where there is no AI head to be asked.

        Raises:
            HeadUnavailableError: CHIM714, none answered while the kernel had time; CHIM731, none
                may run a critical kernel.
        """
        ...


class Borrowed:
    """What is lent to the kernels of a run; for all threads."""

    def __init__(self) -> None:
        self._lent: dict[str, Lent] = {}
        self._stopped = False
        self._lock = threading.Lock()

    def of(self, kernel: str) -> Lent | None:
        """What is lent to the kernel now."""
        with self._lock:
            return self._lent.get(kernel)

    def hold(self, kernel: str, lent: Lent) -> None:
        """Keep it until it is given back, and let `stop` end it."""
        with self._lock:
            self._lent[kernel] = lent
            late = self._stopped
        if late:
            lent.session.abort()

    def give_back(self, kernel: str) -> Lent | None:
        """End the kernel's session; what it was."""
        with self._lock:
            lent = self._lent.pop(kernel, None)
        if lent is not None:
            lent.session.close()
        return lent

    def stop(self) -> None:
        """End the calls of all sessions, and of those that come after this."""
        with self._lock:
            self._stopped = True
            lent = list(self._lent.values())
        for one in lent:
            one.session.abort()


class InProcess:
    """AI heads that live in this process.

    Args:
        heads: all heads, by id.
    """

    def __init__(self, heads: Callable[[], Mapping[str, Head]]) -> None:
        self._heads = heads

    def lend(self, wish: Wish) -> Lent | None:
        """See `Lender.lend`: kernels of different quantum heads get different AI heads."""
        names = wish.kernel.feedback_heads
        own = int(wish.kernel.heads[0].removeprefix("HEAD_"))
        head = self._heads().get(names[(own - 1) % len(names)])
        if head is None:  # in the process of a head, which has no other
            return None
        info = head.describe()
        return Lent(head.open(wish.spec), info.id, info.incarnation)
