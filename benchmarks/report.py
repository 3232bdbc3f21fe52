"""One shape for every benchmark: a table for people on stderr, one JSON object on stdout.

The JSON names the machine, because a figure without it means nothing (docs/benchmarks.md).
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

Row = Mapping[str, object]


def machine(packages: Sequence[str] = ()) -> dict[str, object]:
    """Processor, cores that this process may use, memory, Python, and versions of `packages`."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_1min": load(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
    }


def load() -> float:
    """Load of the machine in the last minute, our own included."""
    return round(os.getloadavg()[0], 2)


def cpu_seconds() -> float:
    """Processor time of this process, its threads, and its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def progress(text: str) -> None:
    """Says on stderr what is being measured: some benchmarks take minutes."""
    print(f"# {text}", file=sys.stderr, flush=True)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def best_of(times: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of `times` runs: the one that other load disturbed least."""
    return min(seconds_of(times, work))


def median_of(times: int, work: Callable[[], object]) -> float:
    """Median seconds of `times` runs."""
    return statistics.median(seconds_of(times, work))


def seconds_of(times: int, work: Callable[[], object]) -> list[float]:
    """Wall seconds of each of `times` runs."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def publish(
    name: str,
    rows: Sequence[Row],
    *,
    packages: Sequence[str] = (),
    note: str = "",
    quiet: bool = False,
) -> None:
    """Prints the table to stderr, unless `quiet`, and the JSON object to stdout."""
    about = machine(packages)
    if not quiet:
        heading = f"{name} on {about['cpu']}, {about['cores']} cores, load {about['load_1min']}"
        print("\n".join(filter(None, (heading, table(rows), note))), file=sys.stderr)
    result = {"schema": "chimera.benchmark/1", "benchmark": name, "machine": about, "rows": rows}
    print(json.dumps(result | ({"note": note} if note else {})))


def table(rows: Sequence[Row]) -> str:
    """Rows as aligned columns, in the order of first appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
