"""Runs whose heads are killed, stopped, corrupted and robbed of their device, for as long as asked.

    python -m benchmarks.chaos [--minutes 10] [--kernels 30] [--seed 1] [--pace 12 6]

Each round is a generated document, run undisturbed and then in chaos on the same warm heads. What
must hold ends the benchmark when it does not: the run succeeds, outputs are equal, each kernel has
one ticket in a History that verifies and in the ledger, each step ended once, no state is left on
the ring. Faults come as fast as the machine is: after a twelfth to a sixth of the time that the
undisturbed run took. `slower` is what all of it costs in time. tests/e2e/test_chaos.py is one such
round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # started as a file
    sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402 - found only now
from tests.e2e.chaos import Driver, Scale, document, share_bytes  # noqa: E402
from tests.e2e.warm import RUN_S, World, each_once, finished, outputs, warm  # noqa: E402

HEADS = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")


def one_round(world: World, seed: int, kernels: int, pace: tuple[float, float]) -> report.Row:
    """An undisturbed run and one in chaos, compared."""
    text = document(kernels, seed=seed)
    with Scale(world.home) as quiet:
        undisturbed = world.run(world.document(text, f"calm{seed}"))
    calm, left = outputs(undisturbed), share_bytes(world.home)
    seconds, before = float(undisturbed["seconds"]), len(world.events("regeneration"))
    pause_s = (seconds / pace[0], seconds / pace[1])
    path = world.document(text, f"chaos{seed}")
    with Scale(world.home) as loud, Driver(world.heads, world.marks, seed, pause_s) as driver:
        process = world.chimera("run", path, "--force", "--json")
        told = finished(process, seconds=RUN_S + 10 * seconds)
    compare(world, path, told, calm)
    taken = [event.detail["seconds"] for event in world.events("regeneration")[before:]]
    slow = float(told["seconds"])
    return {
        "seed": seed,
        "kernels": kernels,
        "calm_s": seconds,
        "chaos_s": slow,
        "slower": slow / seconds,
        "faults": driver.done.total(),
        **{kind: driver.done[kind] for kind in driver.kinds},
        "regenerations": len(taken),
        "regeneration_median_s": statistics.median(map(float, taken)) if taken else None,
        "interrupted": len(told["regenerations"]),
        "shares_grew": share_bytes(world.home) / left,
        "peak_of_calm_peak": loud.most / quiet.most,
    }


def compare(world: World, path: Path, told: dict[str, Any], calm: dict[str, str]) -> None:
    """End the benchmark unless a run in chaos left what an undisturbed one leaves."""
    tickets = sorted((name, "ok") for name in calm)
    held = {
        "status": told["status"] == "ok",
        "outputs": outputs(told) == calm,
        "attempts": all(kernel["attempts"] == 1 for kernel in told["kernels"]),
        "History": sorted(world.tickets(path)) == tickets,
        "ledger": world.in_ledger(told["run_id"]) == tickets,
        "steps": world.steps(told["run_id"]) == each_once(calm),
    }
    wrong = [name for name, good in held.items() if not good]
    if wrong:
        raise SystemExit(f"chaos shows in: {', '.join(wrong)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kernels", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pace", type=float, nargs=2, default=[12.0, 6.0], metavar="PARTS")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    rows: list[report.Row] = []
    with tempfile.TemporaryDirectory() as folder, warm(Path(folder), start=HEADS) as world:
        while not rows or time.monotonic() < until:
            seed = options.seed + len(rows)
            report.progress(f"round {len(rows) + 1}, seed {seed}")
            rows.append(one_round(world, seed, options.kernels, tuple(options.pace)))
    report.publish("chaos", rows, note="no process was left over")  # `warm` has looked


if __name__ == "__main__":
    main()
