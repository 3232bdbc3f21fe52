"""Dagster's run queue, looked at twice a second.

Its interval is a whole number of seconds in `dagster.yaml`, and the daemon waits in halves of one:
with 1 a run waits half a second on average before anything begins, a third of what a short run on
warm heads takes. The daemon takes any number, so the smallest that it can keep is given here.
"""

from dagster import QueuedRunCoordinator

INTERVAL_S = 0.4  # one wait of the daemon, 0.5 s


class PromptRunCoordinator(QueuedRunCoordinator):
    """`QueuedRunCoordinator` with all its settings but one: `dequeue_interval_seconds` is ours."""

    @property
    def dequeue_interval_seconds(self) -> float:  # type: ignore[override]
        """Seconds between two looks at the queue."""
        return INTERVAL_S
