"""What an executor adds to a step: a job of 20 trivial steps, torch and qiskit imported.

    python -m benchmarks.executor [--json] [--runs 5] [--job in_a_row] [--only heads in_process ...]

    in_process          Dagster's, in the run's own process: no isolation, nothing side by side
    heads               `chimera_head_executor` with warm heads
    heads_steps         the same, a dispatch for each step instead of each kernel (no chains)
    multiprocess        Dagster's default: a new process for each step, two at a time on two cores
    forkserver          the same, forked from a process that has imported the job's module

Rows without a suffix use this project's `dagster.yaml` (event log with kept connections, direct
compute logs), but `multiprocess`, the thing to compare with, is Dagster as it comes; `_stock` and
`_ours` say it where both are measured. `seconds_per_step` is (run − time to the first STEP_START) /
steps, of the fastest of `--runs` (one for those that start processes). Each variant has a process,
an instance and heads of its own; start-up of heads is not in it, since they outlive runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # started as a file
    sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402 - found only now

STOCK = "telemetry: {enabled: false}\n"
# What runs under which executor, and whether on an instance without settings.
VARIANTS: Mapping[str, tuple[str, bool]] = {
    "in_process": ("in_process", False),
    "in_process_stock": ("in_process", True),
    "heads": ("heads", False),
    "heads_steps": ("heads_steps", False),
    "forkserver": ("forkserver", True),
    "multiprocess_ours": ("multiprocess", False),
    "multiprocess": ("multiprocess", True),
}
DEFAULT = ("in_process", "in_process_stock", "heads", "heads_steps", "multiprocess")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def warm_heads() -> Iterator[None]:
    """Four heads that have imported the job's module, as `chimera heads up` keeps them."""
    from chimera_pipelines.defs.warm import PERFORMERS, PRELOAD
    from chimera_pipelines.heads import warm
    from chimera_pipelines.heads.recipe import Recipe
    from chimera_pipelines.settings import settings

    preload = ("benchmarks.executor_jobs", *PRELOAD)
    warm.up(Recipe(settings(), dict(PERFORMERS), preload))
    try:
        yield
    finally:
        warm.down(settings())


def here(executor: str, job: str, runs: int) -> None:
    """The measuring process's side: each run as a JSON line."""
    import dagster as dg

    target = dg.build_reconstructable_job(
        "benchmarks.executor_jobs",
        "build",
        reconstructable_args=(job, executor),
        reconstructor_working_directory=str(ROOT),
    )
    heads = warm_heads() if executor.startswith("heads") else nullcontext()
    with heads, dg.DagsterInstance.get() as instance:
        for _ in range(runs):
            began = time.time()
            with dg.execute_job(target, instance, run_config=QUIET) as run:
                wall = time.time() - began
                assert run.success, [e.message for e in run.all_events if e.is_failure]
            steps = instance.get_run_step_stats(run.run_id)
            first = min(step.start_time or began for step in steps) - began
            row = {
                "seconds_per_step": (wall - first) / len(steps),
                "seconds_to_first_step": first,
                "seconds": wall,
                "steps": len(steps),
            }
            print(json.dumps(row), flush=True)


def measure(variant: str, job: str, runs: int) -> Mapping[str, object]:
    """One variant in folders and a process of its own; its fastest run."""
    executor, stock = VARIANTS[variant]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if stock:
            (home / "dagster.yaml").write_text(STOCK)
        else:
            shutil.copy(ROOT / "dagster.yaml", home)
        environment = {
            **os.environ,
            "CHIMERA_HOME": str(home / "chimera"),
            "DAGSTER_HOME": str(home),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "benchmarks.executor", "--in-this-process"]
        done = subprocess.run(
            [*command, executor, job, str(runs)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    best = min(found, key=lambda row: float(row["seconds_per_step"]))
    return {"executor": variant, "job": job, "runs": len(found), **best, "load": report.load()}


def compared(rows: list[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Rows with their ratio to `heads`."""
    heads = next((_step(row) for row in rows if row["executor"] == "heads"), None)
    if heads is None:
        return rows
    return [{**row, "ratio_to_heads": _step(row) / heads} for row in rows]


def _step(row: Mapping[str, object]) -> float:
    return float(str(row["seconds_per_step"]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="the JSON object alone, no table")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--job", choices=("side_by_side", "in_a_row"), default="side_by_side")
    parser.add_argument("--only", nargs="+", choices=tuple(VARIANTS), default=DEFAULT)
    parser.add_argument("--in-this-process", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        executor, job, runs = options.in_this_process
        here(executor, job, int(runs))
        return
    rows = []
    for variant in options.only:
        report.progress(variant)
        starts_processes = (
            "process" in variant.removeprefix("in_process") or variant == "forkserver"
        )
        rows.append(measure(variant, options.job, 1 if starts_processes else options.runs))
    report.publish("executor", compared(rows), packages=("dagster", "torch", "qiskit"))


if __name__ == "__main__":
    main()
