"""What a run waits for: said in its log, and ended where nothing would ever come of it.

A dispatch may wait for heads that work for other runs, a step for a slot of a pool, a head for a
step that goes on for ever. Heads that do not answer at all are the fleet's concern (CHIM714).
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from chimera_pipelines.defs._dagster_internals import ExecutionStep
from chimera_pipelines.defs.executor.chains import Dispatch, pool_of
from chimera_pipelines.defs.executor.run_log import RunLog
from chimera_pipelines.defs.ops import TIMEOUT_TAG
from chimera_pipelines.errors import HeadUnavailableError, KernelError, UsageError

SAY_SECONDS = 2.0  # a dispatch that waits longer is spoken of
AGAIN_SECONDS = 30.0
POOLS_SECONDS = 5.0  # between two looks at the pools


class Waits:
    """Looks at queue and clock; everything is measured with `time.monotonic`."""

    def __init__(
        self, steps: Sequence[ExecutionStep], log: RunLog, instance: Any, pool_seconds: float
    ) -> None:
        self._log, self._instance, self._pool_seconds = log, instance, pool_seconds
        self._timeouts = dict(_timeouts(steps))
        self._pools = sorted({pool for step in steps if (pool := pool_of(step)) is not None})
        self._said: dict[str, float] = {}
        self._looked = self._closed_since = 0.0

    def waiting(self, queue: Iterable[Dispatch], heads: dict[str, str]) -> None:
        """Say, now and then, what waits for which heads, and what those do.

        Args:
            queue: dispatches without a head.
            heads: what each head does, in words.
        """
        now = time.monotonic()
        for work in queue:
            last = self._said.get(work.id, work.since + SAY_SECONDS - AGAIN_SECONDS)
            if now - last < AGAIN_SECONDS:
                continue
            self._said[work.id] = now
            doing = ", ".join(f"{head} {heads.get(head, 'is not there')}" for head in work.heads)
            text = f"'{work.keys[0]}' waits for a head: {doing}"
            error = HeadUnavailableError("CHIM631", text, hint="see 'chimera heads status'")
            self._log.say(error.message, step=work.keys[0], error=error)

    def overdue(self, running: dict[str, Dispatch]) -> list[tuple[str, KernelError]]:
        """Heads whose step has run longer than its tag `chimera/timeout` allows."""
        found = []
        for head, work in running.items():
            key = work.current
            limit = self._timeouts.get(key) if key is not None else None
            if limit is not None and time.monotonic() - work.started > limit:
                message = f"'{key}' ran longer than its {limit:g} s on {head}"
                found.append((head, KernelError("CHIM634", message, hint="raise its timeout")))
        return found

    def pools(self) -> None:
        """Look whether a pool that the run needs has no slots at all; call it while nothing runs.

        Raises:
            UsageError: CHIM633, one has had none for `pool_seconds`.
        """
        now = time.monotonic()
        if not self._pools or now - self._looked < POOLS_SECONDS:
            return
        self._looked = now
        found = self._instance.event_log_storage.get_pool_limits()
        limits = {pool.name: pool.limit for pool in found}
        closed = [pool for pool in self._pools if limits.get(pool) == 0]
        if not closed:
            self._closed_since = 0.0
            return
        names = ", ".join(f"'{pool}'" for pool in closed)
        error = UsageError(
            "CHIM633",
            f"steps wait for a slot of pool {names}, which has none",
            hint="raise its limit under Deployment > Concurrency",
        )
        if not self._closed_since:
            self._closed_since = now
            self._log.say(error.message, error=error)
        elif now - self._closed_since > self._pool_seconds:
            raise error


def _timeouts(steps: Iterable[ExecutionStep]) -> Iterable[tuple[str, float]]:
    for step in steps:
        text = (step.tags or {}).get(TIMEOUT_TAG)
        try:
            limit = float(text) if text else None
        except ValueError:
            limit = None
        if limit is not None and limit > 0:
            yield step.key, limit
