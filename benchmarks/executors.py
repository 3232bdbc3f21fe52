"""What Dagster costs for each step: a job of 20 steps under each executor, against bare functions.

    python -m benchmarks.executors [--runs 3] [--only plain phases ...] [--in-a-row]

Four kernels of five phases whose python blocks add one. The same work, from the bottom up:

    plain           the four Python functions
    phases          `lifecycle.phases` one after another: sandbox, checkpoint, signed ticket
    runner          `chimera run`: the same, kernels side by side on four heads
    in_process      Dagster's job in one process
    forkserver      a process for each step, forked from one that has imported us
    multiprocess    a process for each step, started afresh (Dagster's own default)

`/ours` has this project's event log (kept connections) and compute logs (no side processes);
`/stock` is an instance without settings. `ops/...` are jobs of the same shape whose ops add one:
what Dagster costs without us. Every run is forced, so that no output is reused; the fastest of
`--runs` counts. `step_ms` is (whole run − time to its first step) / steps, and `above_phases_ms`
what a step costs more than its share of `phases`. A document's job has a 21st step, the ledger.
`cpu_s` is of the measuring process and the children it waits for: of `multiprocess` it holds the
steps' processes, of `forkserver` it does not, and a sandbox counts as far as it is waited for.
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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.documents import TRIVIAL, trivial

ROOT = Path(__file__).resolve().parent.parent
KERNELS = 4
PHASES = ("deserialize", "embed", "propagate", "measure", "feedback")
STEPS = KERNELS * len(PHASES)
INSTANCES = ("ours", "stock")
EXECUTORS = ("in_process", "forkserver", "multiprocess")
VARIANTS = (
    *("plain", "phases", "runner"),
    *(f"ops/in_process/{instance}" for instance in INSTANCES),
    *(f"{executor}/{instance}" for executor in EXECUTORS for instance in INSTANCES),
)
PACKAGES = ("dagster", "sqlalchemy")


def plain(document: Path, runs: int) -> Iterator[dict[str, object]]:
    """The blocks' functions, called as Python calls them."""
    names: dict[str, Any] = {}
    exec(TRIVIAL, names)  # noqa: S102 - the text is ours, and this is what the sandbox avoids
    in_a_row = "$k0.value" in document.read_text()

    def work() -> None:
        value = 0
        for index in range(KERNELS):
            value = names["run"](value if in_a_row else index)["value"]

    for _ in range(runs):
        yield timed(work)


def phases(document: Path, runs: int) -> Iterator[dict[str, object]]:
    """The five phases of each kernel in this process, without Dagster and without threads."""
    from chimera_pipelines.lifecycle import phases as lifecycle
    from chimera_pipelines.lifecycle.run_id import new_run_id
    from chimera_pipelines.lifecycle.services import Services
    from chimera_pipelines.scheduling.opening import open_run
    from chimera_pipelines.scheduling.plan import load_plan
    from chimera_pipelines.settings import settings

    plan = load_plan(document)
    with Services(settings()) as services:

        def work() -> None:
            run = open_run(plan, services, run_id=new_run_id(), force=True)
            run.begin()
            outputs: dict[str, Any] = {}
            for kernel in plan.kernels:
                upstream = {name: outputs[name] for name in kernel.data_producers}
                outputs[kernel.name] = lifecycle.run_kernel(run, kernel, upstream).output
            run.finish("ok")
            run.close()

        work()  # makes keys, ledger, warm sessions
        for _ in range(runs):
            yield timed(work)


def runner(document: Path, runs: int) -> Iterator[dict[str, object]]:
    """`chimera run`, in a process that has run it before."""
    from chimera_pipelines.lifecycle.services import Services
    from chimera_pipelines.runner import run_plan
    from chimera_pipelines.scheduling.plan import load_plan
    from chimera_pipelines.settings import settings

    plan = load_plan(document)
    with Services(settings()) as services:

        def work() -> None:
            assert run_plan(plan, services, force=True).exit_code == 0

        work()
        for _ in range(runs):
            yield timed(work)


def timed(work: Callable[[], None]) -> dict[str, object]:
    wall, cpu = time.perf_counter(), report.cpu_seconds()
    work()
    wall, cpu = time.perf_counter() - wall, report.cpu_seconds() - cpu
    return {"steps": STEPS, "wall_s": wall, "cpu_s": cpu, "step_ms": wall / STEPS * 1000}


def in_dagster(document: Path, runs: int, what: str) -> Iterator[dict[str, object]]:
    """A job under one executor, on the instance of `DAGSTER_HOME`."""
    import dagster as dg

    *shape, executor, _ = what.split("/")
    factory = "ops_job" if shape else "document_job"
    job = dg.build_reconstructable_job(
        "benchmarks.executors",
        factory,
        reconstructable_args=(str(document), executor),
        reconstructor_working_directory=str(ROOT),
    )
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    forced = {"resources": {"chimera": {"config": {"force": True}}}}
    with dg.DagsterInstance.get() as instance:
        for _ in range(runs):
            wall, cpu, began = time.perf_counter(), report.cpu_seconds(), time.time()
            with dg.execute_job(job, instance, run_config=quiet | ({} if shape else forced)) as run:
                wall = time.perf_counter() - wall
                assert run.success, [e.message for e in run.all_events if e.is_failure]
                steps = [s for s in instance.get_run_step_stats(run.run_id) if s.start_time]
            first = min(s.start_time or began for s in steps) - began
            yield {
                "steps": len(steps),
                "wall_s": wall,
                "cpu_s": report.cpu_seconds() - cpu,
                "first_step_s": first,
                "step_ms": (wall - first) / len(steps) * 1000,
            }


def executor_of(name: str) -> Any:
    import dagster as dg

    if name == "in_process":
        return dg.in_process_executor
    if name == "multiprocess":
        return dg.multiprocess_executor
    preload = ["dagster", "chimera_pipelines.definitions", "chimera_pipelines.lifecycle.phases"]
    start = {"start_method": {"forkserver": {"preload_modules": preload}}}
    return dg.multiprocess_executor.configured(start, name="forkserver")


def document_job(document: str, executor: str) -> Any:
    """The job of a document as our code location has it; each step process makes it again."""
    from chimera_pipelines.defs.location import build_definitions
    from chimera_pipelines.defs.project import MamlProject
    from chimera_pipelines.scheduling.plan import load_plan

    found = build_definitions(
        MamlProject(Path(document).parent), inbox=False, executor=executor_of(executor)
    )
    return found.resolve_job_def(load_plan(Path(document)).job_name)


def ops_job(document: str, executor: str) -> Any:
    """A job of the same shape whose ops add one."""
    import dagster as dg

    in_a_row = "$k0.value" in Path(document).read_text()
    ops = [_op(dg, name) for name in PHASES]

    def kernel(index: int) -> Any:
        def compose(**start: Any) -> Any:
            value = ops[0](**start) if start else ops[0]()
            for op in ops[1:]:
                value = op(value)
            return value

        ins = {"value": dg.GraphIn()} if in_a_row and index else {}
        return dg.graph(name=f"k{index}", ins=ins)(compose)

    def job() -> None:
        value = None
        for index in range(KERNELS):
            value = kernel(index)(value) if in_a_row and index else kernel(index)()

    return dg.graph(name="twenty")(job).to_job(executor_def=executor_of(executor))


def _op(dg: Any, name: str) -> Any:
    @dg.op(name=name, ins={"value": dg.In(int, default_value=0)}, out=dg.Out(int))
    def add(value: int) -> int:
        return value + 1

    return add


def measure(what: str, runs: int, *, in_a_row: bool) -> Mapping[str, object]:
    """One variant in a process and folders of its own; its fastest run."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name in ("documents", "dagster"):
            (home / name).mkdir()
        document = home / "documents" / "twenty.maml.md"
        document.write_text(trivial(KERNELS, in_a_row=in_a_row))
        if what.endswith("/ours"):
            shutil.copy(ROOT / "dagster.yaml", home / "dagster")
        else:
            (home / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        environment = {
            **os.environ,
            "CHIMERA_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
        }
        command = [sys.executable, "-m", "benchmarks.executors", "--in-this-process"]
        done = subprocess.run(
            [*command, what, str(document), str(runs)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    found: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    best = min(found, key=lambda row: float(str(row["wall_s"])))
    return {"what": what, "runs": len(found), **best, "load": report.load()}


def here(what: str, document: Path, runs: int) -> None:
    """The measuring process's side of `measure`."""
    functions = {"plain": plain, "phases": phases, "runner": runner}
    found = functions[what](document, runs) if what in functions else None
    rows = list(found or in_dagster(document, runs, what))
    print(json.dumps(rows))


def compared(rows: list[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Rows with what a step costs more than the phases alone, and their ratio."""
    bare = next((float(str(row["step_ms"])) for row in rows if row["what"] == "phases"), None)
    if bare is None:
        return rows
    found = []
    for row in rows:
        step = float(str(row["step_ms"]))
        found.append({**row, "above_phases_ms": step - bare, "ratio_to_phases": step / bare})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=VARIANTS, metavar="WHAT")
    parser.add_argument("--in-a-row", action="store_true", help="each kernel reads the one before")
    parser.add_argument("--in-this-process", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        what, document, runs = options.in_this_process
        here(what, Path(document), int(runs))
        return
    rows = []
    for what in options.only:
        report.progress(what)
        runs = 1 if what.startswith("multiprocess") else options.runs
        rows.append(measure(what, runs, in_a_row=options.in_a_row))
    report.publish("executors", compared(rows), packages=PACKAGES)


if __name__ == "__main__":
    main()
