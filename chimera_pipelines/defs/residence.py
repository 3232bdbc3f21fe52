"""What a head process keeps from step to step: its services, and the runs that it works for.

Under other executors a step's process, or the run's, owns both and ends them. A head outlives its
steps, so that a kernel's sandbox session and registers are still there at its next phase.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING

from chimera_pipelines.heads.performer import KEPT_RUNS

if TYPE_CHECKING:
    from chimera_pipelines.lifecycle.run import Run
    from chimera_pipelines.lifecycle.services import Services

# A Dagster run has one of ours for each document and partition in it, so there are more of them.
KEPT = 2 * KEPT_RUNS


class Residence:
    """Services of this head, and its open runs by Dagster run and key."""

    def __init__(self, services: "Services") -> None:
        self.services = services
        self._runs: OrderedDict[tuple[str, ...], Run] = OrderedDict()
        self._lock = RLock()

    def run(self, key: tuple[str, ...], opened: "Callable[[], Run]") -> "Run":
        """The run under `key`, whose first part is the Dagster run; opened when there is none.

        The runs that were not asked for longest are closed: their next step opens them again.
        """
        with self._lock:
            if key not in self._runs:
                self._runs[key] = opened()
            self._runs.move_to_end(key)
            while len(self._runs) > KEPT:
                self._runs.popitem(last=False)[1].close()
            return self._runs[key]

    def dagster_runs(self) -> set[str]:
        """Dagster runs that something is kept for."""
        with self._lock:
            return {key[0] for key in self._runs}

    def forget(self, dagster_run_id: str) -> None:
        """End the sessions and drop the registers of a run."""
        with self._lock:
            for key in [key for key in self._runs if key[0] == dagster_run_id]:
                self._runs.pop(key).close()

    def close(self) -> None:
        """End everything."""
        with self._lock:
            while self._runs:
                self._runs.popitem()[1].close()
            self.services.close()


_here: Residence | None = None


def reside(residence: Residence | None) -> None:
    """Make `residence` this process's, or None again."""
    global _here  # noqa: PLW0603 - a process is one head or none; resources are made by Dagster
    _here = residence


def here() -> Residence | None:
    """The residence of this head process; None elsewhere."""
    return _here
