"""Run workers that an agent forks: warm, detached, and not ended with it."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads import offspring


class RunWorkers:
    """The run workers of one agent, until they have ended.

    Args:
        selector: of the agent; keys of ours carry a callable as data.
        descriptors: of the agent, none of which a worker may keep.
    """

    def __init__(
        self, selector: selectors.BaseSelector, descriptors: Callable[[], Iterable[int]]
    ) -> None:
        self._selector = selector
        self._descriptors = descriptors
        self._children: dict[int, offspring.Child] = {}

    def __len__(self) -> int:
        return len(self._children)

    def spawn(self, frame: Mapping[str, Any]) -> int:
        """Fork one; its pid.

        Args:
            frame: `entry` ("module:function"), `args`, `env`, `cwd`, `log` (a file, or None), and
                `until`, on this machine's monotonic clock: who asks has then started another.

        Raises:
            LookupError, TypeError, ValueError: the frame is none.
            OSError: no process can be made.
            HeadUnavailableError: CHIM714, it is too late.
        """
        late_s = time.monotonic() - float(frame["until"])
        if late_s > 0.0:
            raise HeadUnavailableError(
                "CHIM714", f"the run worker was wanted {late_s:.1f} s earlier"
            )
        entry, arguments = str(frame["entry"]), dict(frame["args"])
        log, cwd, env = frame["log"], str(frame["cwd"]), dict(frame["env"])

        def task() -> int:
            offspring.detach(log, cwd, env)
            return offspring.call(entry, arguments)

        child = offspring.fork(task, closing=self._descriptors(), name="run-worker", dies=False)
        self._children[child.pid] = child
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda _: self._reap(child))
        return child.pid

    def _reap(self, child: offspring.Child) -> None:
        # `reap` closes the descriptor, and a selector forgets only one that is open.
        self._selector.unregister(child.pidfd)
        if child.reap() is None:
            self._selector.register(child.pidfd, selectors.EVENT_READ, lambda _: self._reap(child))
        else:
            del self._children[child.pid]
