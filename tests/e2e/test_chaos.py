"""A run of 30 kernels whose heads are killed, stopped, corrupted and robbed all the time.

Nothing of that may show but in the time it takes. `python -m benchmarks.chaos` does it for longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.chaos import Driver, Scale, document, share_bytes
from tests.e2e.warm import each_once, outputs, warm

KERNELS = 30
HEADS = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")
SEED = 20261125


@pytest.mark.slow
def test_a_run_in_chaos_gives_what_an_undisturbed_one_gives(tmp_path: Path) -> None:
    text = document(KERNELS, seed=SEED)
    with warm(tmp_path, start=HEADS) as world:
        with Scale(world.home) as quiet:
            report = world.run(world.document(text, "calm"))
        calm, once = outputs(report), float(report["seconds"])
        left = share_bytes(world.home)
        assert len(calm) == KERNELS

        path = world.document(text, "chaos")
        with (
            Scale(world.home) as loud,
            Driver(world.heads, world.marks, SEED, pause_s=(once / 12, once / 6)) as driver,
        ):
            report = world.run(path)
        assert report["status"] == "ok"
        assert outputs(report) == calm
        assert all(kernel["attempts"] == 1 for kernel in report["kernels"]), "a death is no attempt"
        tickets = sorted((name, "ok") for name in calm)
        assert sorted(world.tickets(path)) == tickets
        assert world.in_ledger(report["run_id"]) == tickets
        assert world.steps(report["run_id"]) == each_once(calm)

        assert driver.done.total() >= 5, driver.done
        came_back = world.events("regeneration")
        assert len(came_back) >= 3, driver.done
        assert all(event.detail["problem"] is None for event in came_back)

        # The same contents have the same shares, and what was saved meanwhile was let go of.
        assert share_bytes(world.home) <= 1.1 * left
        assert loud.most <= 2 * quiet.most
