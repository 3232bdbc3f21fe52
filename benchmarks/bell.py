"""A Bell document by `chimera run`, against Qiskit and Aer running the same circuit.

    python -m benchmarks.bell [--cold 3] [--warm 30]

`cold` is a new process from start to exit, `warm` one more run in a process that has run it before.
Ours compiles the document, starts sandboxes, signs two tickets and keeps checkpoints; the peers
build the circuit, transpile, run 4,000 shots and count. They come in two kinds:

    naive   transpile(circuit, backend) for every run: what most programs do
    kept    a preset pass manager built once, for the backend's target, and run again

All figures are medians. `reused` is a run whose outputs an earlier ticket gives; `sandboxes
ready` a run before which they were started: each serves one kernel once, and starting one that has
Qiskit in it takes longer than all the rest of a run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import report

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "data" / "documents" / "bell.maml.md"
SHOTS = 4000
PAUSE_S = 4.0
READY = "chimera, sandboxes ready"
PEERS = ("naive", "kept")
Row = dict[str, object]


def peer(kind: str) -> Callable[[], Mapping[str, int]]:
    """One run of the circuit by Qiskit and Aer alone; what is kept between runs is made here."""
    from qiskit import QuantumCircuit, generate_preset_pass_manager, transpile
    from qiskit_aer import AerSimulator

    backend = AerSimulator()
    manager = None
    if kind == "kept":
        manager = generate_preset_pass_manager(1, target=backend.target)

    def run() -> Mapping[str, int]:
        circuit = QuantumCircuit(2)
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.measure_all()
        if manager is None:
            ready = transpile(circuit, backend, optimization_level=1)
        else:
            ready = manager.run(circuit)
        counts: Mapping[str, int] = (
            backend.run(ready, shots=SHOTS, seed_simulator=1).result().get_counts()
        )
        assert sum(counts.values()) == SHOTS
        return counts

    return run


def chimera(document: Path, *, force: bool, times: int, ready: bool) -> list[Row]:
    """Runs in this process by `runner.run_plan`, the first one left out; with times by phase."""
    from chimera_pipelines.lifecycle.run_id import new_run_id
    from chimera_pipelines.lifecycle.services import Services
    from chimera_pipelines.runner import run_plan
    from chimera_pipelines.scheduling.opening import open_run
    from chimera_pipelines.scheduling.plan import load_plan
    from chimera_pipelines.settings import settings

    plan = load_plan(document)
    rows: list[Row] = []
    with Services(settings()) as services:

        def run() -> dict[str, Any]:
            return run_plan(plan, services, force=force).as_json()

        run()
        for _ in range(times):
            if ready:
                soon = open_run(plan, services, run_id=new_run_id(), force=force)
                for kernel in plan.kernels:
                    soon.warm(kernel)
                time.sleep(PAUSE_S)
            row, found = timed(run)
            assert found["status"] == "ok"
            spent = [phase for kernel in found["kernels"] for phase in kernel["phases"]]
            for phase in spent:
                name = f"{phase['phase']}_ms"
                row[name] = float(str(row.get(name, 0.0))) + phase["seconds"] * 1000
            rows.append(row)
    return rows


def timed(work: Callable[[], Any]) -> tuple[Row, Any]:
    wall, cpu = time.perf_counter(), report.cpu_seconds()
    found = work()
    wall, cpu = time.perf_counter() - wall, report.cpu_seconds() - cpu
    return {"wall_ms": wall * 1000, "cpu_ms": cpu * 1000}, found


def command(arguments: list[str], environment: Mapping[str, str]) -> Row:
    """A process from start to exit. Its processor time includes the children it has waited for."""

    def work() -> None:
        subprocess.run(arguments, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)

    return timed(work)[0]


def cold(what: str, times: int, arguments: list[str], environment: Mapping[str, str]) -> Row:
    return median(what, "cold", [command(arguments, environment) for _ in range(times)])


def warm(what: str, times: int, home: Path) -> Row:
    """Runs of one process of its own, so that no variant warms another."""
    arguments = [sys.executable, "-m", "benchmarks.bell", "--in-this-process", what, str(times)]
    done = subprocess.run(
        arguments,
        env=environment_of(home),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return median(what, "warm", json.loads(done.stdout.splitlines()[-1]))


def here(what: str, times: int) -> list[Row]:
    """The measuring process's side of `warm` and, once, of a peer's `cold`."""
    if what in PEERS:
        run = peer(what)
        if times > 1:
            run()
        return [timed(run)[0] for _ in range(times)]
    document = Path(os.environ["CHIMERA_HOME"]) / "documents" / DOCUMENT.name
    return chimera(document, force="reused" not in what, times=times, ready=what == READY)


def median(what: str, start: str, rows: list[Row]) -> Row:
    names = list(rows[0])
    middle = {name: statistics.median(float(str(row[name])) for row in rows) for name in names}
    return {"what": what, "start": start, "runs": len(rows), **middle, "load": report.load()}


def environment_of(home: Path) -> dict[str, str]:
    return {**os.environ, "CHIMERA_HOME": str(home)}


def prepared(folder: Path) -> Path:
    """A home with a copy of the document."""
    (folder / "documents").mkdir(parents=True)
    return Path(shutil.copy(DOCUMENT, folder / "documents"))


def measure(cold_runs: int, warm_runs: int, folder: Path) -> list[Row]:
    document = prepared(folder / "home")
    environment = environment_of(folder / "home")
    run = [str(Path(sys.executable).parent / "chimera"), "run", str(document), "--quiet"]
    bare = [sys.executable, "-m", "benchmarks.bell", "--in-this-process"]
    rows = [cold("chimera, first of a home", 1, run, environment)]
    rows += [cold("chimera", cold_runs, [*run, "--force"], environment)]
    rows += [cold("chimera, reused", cold_runs, run, environment)]
    rows += [cold(kind, cold_runs, [*bare, kind, "1"], environment) for kind in PEERS]
    rows += [warm(READY, 1 + warm_runs // 4, folder / "home")]
    rows += [
        warm(what, warm_runs, folder / "home") for what in ("chimera", "chimera, reused", *PEERS)
    ]
    return [row | ratios(row, rows) for row in rows]


def ratios(row: Row, rows: list[Row]) -> Row:
    """How many times longer than each peer of the same start."""
    found: Row = {}
    for other in rows:
        if other["what"] in PEERS and other["start"] == row["start"]:
            for clock in ("wall", "cpu"):
                mine, its = (float(str(one[f"{clock}_ms"])) for one in (row, other))
                found[f"{clock}/{other['what']}"] = mine / its
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", type=int, default=3)
    parser.add_argument("--warm", type=int, default=30)
    parser.add_argument("--in-this-process", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        what, times = options.in_this_process
        print(json.dumps(here(what, int(times))))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options.cold, options.warm, Path(folder))
    report.publish("bell", rows, packages=("qiskit", "qiskit-aer"), note=f"{SHOTS} shots")


if __name__ == "__main__":
    main()
