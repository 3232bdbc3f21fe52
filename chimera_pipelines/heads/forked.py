"""An agent forked from the process that it serves, which has imported what heads need already.

That is a second of processor time less than a new interpreter takes for the same imports. A fork
copies no thread and any lock that one holds, so it is done in a process of one thread alone.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from chimera_pipelines.heads import offspring
from chimera_pipelines.heads.recipe import MODULE

_NAME = "chimera-agent"
_TASKS = Path("/proc/self/task")
_DESCRIPTORS = Path("/proc/self/fd")


class ForkedAgent:
    """The agent's process, to be ended and waited for as a `subprocess.Popen`."""

    def __init__(self, child: offspring.Child) -> None:
        self.pid = child.pid
        self._child = child
        self._ended = False

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it, and its heads with it."""
        self._signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Return when it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not in so many seconds.
        """
        if self._ended:
            return 0
        if not select.select([self._child.pidfd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(_NAME, timeout or 0.0)
        self._ended = True
        return self._child.reap() or 0

    def _signal(self, number: signal.Signals) -> None:
        if not self._ended:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._child.pidfd, number)


def can_fork() -> bool:
    """Whether this process has but one thread, those of libraries counted."""
    return sum(1 for _ in _TASKS.iterdir()) == 1


def fork_agent(
    words: Sequence[str], environment: Mapping[str, str], log: IO[bytes], *, report: int
) -> ForkedAgent:
    """Be an agent in a child of this process, which must have one thread.

    Args:
        words: the agent's command line.
        environment: all of the child's.
        log: takes its output.
        report: descriptor to which it reports its start.
    """
    arguments = words[words.index(MODULE) + 1 :]
    task = partial(_be, arguments, environment, log.fileno())
    kept = {0, 1, 2, log.fileno(), report}
    ours = {int(path.name) for path in _DESCRIPTORS.iterdir()}
    return ForkedAgent(offspring.fork(task, closing=ours - kept, name=_NAME, dies=False))


def _be(arguments: Sequence[str], environment: Mapping[str, str], log: int) -> int:
    from chimera_pipelines.heads.__main__ import main
    from chimera_pipelines.settings import settings

    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for here, there in ((0, nothing), (1, log), (2, log)):
        os.dup2(there, here)
    os.close(nothing)
    os.close(log)
    os.environ.clear()
    os.environ.update(environment)
    settings.cache_clear()
    for handler in list(logging.getLogger().handlers):
        logging.getLogger().removeHandler(handler)
    return main(arguments)
