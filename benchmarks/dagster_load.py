"""Loading many documents into Dagster: what a code location or a run worker pays before it works.

    python -m benchmarks.dagster_load [--documents 50 100 200] [--kernels 5]

Each row is a fresh process, as a code server is one:

    import    `chimera_pipelines.defs.location`, and Dagster with it
    compile   documents to plans, each plan stored under its digest
    build     plans to assets, checks, jobs: `build_definitions`
    resolve   all of it to one repository: Dagster sorts and checks the asset graph
    snapshot  the repository as Dagster's web server and daemon get it, and its size

The peer is Dagster alone: one `@dg.asset` of one op for each kernel, with the same edges, and one
job for each document; no phases, no checks, no ledger. It is what definitions cost at the least.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.documents import document

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("import", "compile", "build", "resolve", "snapshot")
WARM_UP = 2
Row = dict[str, Any]


@contextmanager
def stage(row: Row, name: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    row[f"{name}_s"] = time.perf_counter() - wall
    row[f"{name}_cpu_s"] = time.process_time() - cpu


def ours() -> Row:
    """This process loads `CHIMERA_HOME` as `chimera_pipelines.definitions` does."""
    row: Row = {}
    with stage(row, "import"):
        from chimera_pipelines.defs.location import build_definitions
        from chimera_pipelines.defs.project import MamlProject
    with stage(row, "compile"):
        prepared = MamlProject().prepare()
    assert not prepared.bad
    with stage(row, "build"):
        definitions = build_definitions(prepared)
    row["kernels"] = sum(len(found.plan.kernels) for found in prepared.plans)
    return row | served(definitions)


def peer() -> Row:
    """This process makes one plain asset for each kernel of the stored plans."""
    row: Row = {}
    with stage(row, "import"):
        import dagster as dg
    plans = [
        json.loads(path.read_bytes())
        for path in sorted((Path(os.environ["CHIMERA_HOME"]) / "plans").glob("*.json"))
    ]
    with stage(row, "build"):
        merged = dg.Definitions.merge(*(plain(dg, plan) for plan in plans))
    row["kernels"] = sum(len(plan["kernels"]) for plan in plans)
    return row | served(merged)


def plain(dg: Any, plan: Mapping[str, Any]) -> Any:
    """A document's kernels as Dagster's simplest assets."""
    slug = plan["document"]["slug"]
    assets = [
        dg.asset(
            name=kernel["name"],
            key_prefix=slug,
            group_name=slug,
            deps=[dg.AssetKey([slug, name]) for name in kernel["producers"]],
        )(nothing(kernel["name"]))
        for kernel in plan["kernels"]
    ]
    return dg.Definitions(assets=assets, jobs=[dg.define_asset_job(f"job_{slug}", assets)])


def nothing(name: str) -> Callable[[], None]:
    def body() -> None:
        return None

    body.__name__ = name
    return body


def served(definitions: Any) -> Row:
    """Resolve definitions and make the snapshot that a code server hands out."""
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    row: Row = {}
    with stage(row, "resolve"):
        repository = definitions.get_repository_def()
        repository.load_all_definitions()
    with stage(row, "snapshot"):
        text = serialize_value(RepositorySnap.from_def(repository))
    row["snapshot_mb"] = len(text) / 1e6
    return row


def loaded(what: str, home: Path) -> Row:
    """One process; the whole of it from start to exit, its stages, and what is left over."""
    wall, cpu = time.perf_counter(), report.cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.dagster_load", "--in-this-process", what],
        env={**os.environ, "CHIMERA_HOME": str(home)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    wall, cpu = time.perf_counter() - wall, report.cpu_seconds() - cpu
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return {"process_s": wall, "process_cpu_s": cpu, **row}


def measure(count: int, kernels: int, first: int) -> list[Row]:
    """Our row and the peer's, for so many documents."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "documents").mkdir()
        for number in range(first, first + count):
            path = home / "documents" / f"generated_{number}.maml.md"
            path.write_text(document(number, kernels))
        rows = [(what, loaded(what, home)) for what in ("chimera", "dagster alone")]
    found = []
    for what, row in rows:
        work = sum(row.get(f"{name}_cpu_s", 0.0) for name in STAGES[1:])
        found.append(
            {
                "what": what,
                "documents": count,
                "kernels": row["kernels"],
                "process_s": row["process_s"],
                "process_cpu_s": row["process_cpu_s"],
                **{f"{name}_cpu_s": row.get(f"{name}_cpu_s") for name in STAGES},
                "snapshot_mb": row["snapshot_mb"],
                "cpu_ms_a_document": work / count * 1000,
                "load": report.load(),
            }
        )
    mine, alone = found
    mine["cpu/dagster_alone"] = mine["cpu_ms_a_document"] / alone["cpu_ms_a_document"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--kernels", type=int, default=5)
    parser.add_argument("--in-this-process", choices=["chimera", "dagster alone"])
    options = parser.parse_args()
    if options.in_this_process:
        print(json.dumps(ours() if options.in_this_process == "chimera" else peer()))
        return
    measure(WARM_UP, options.kernels, 0)  # byte code and file cache
    rows, first = [], WARM_UP
    for count in options.documents:
        report.progress(f"{count} documents")
        rows += measure(count, options.kernels, first)
        first += count
    report.publish("dagster_load", rows, packages=("dagster",))


if __name__ == "__main__":
    main()
