"""Heads: how long agent and heads take to start, to be there again after a kill, and their memory.

    python -m benchmarks.heads [--rounds 5]

What `chimera heads up` starts, in a temporary home: an agent with all imports done, then heads one
after the other. The peer is a new interpreter that imports the same modules, as every step of
Dagster's multiprocess executor is. `killed` is from SIGKILL to an answer of the next incarnation
over a connection made anew, its first verification of tickets included. Memory is PSS: pages that
processes share count in parts. Medians; heads are idle.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import report
from chimera_pipelines.cli.warm_heads import recipe
from chimera_pipelines.heads import warm
from chimera_pipelines.heads.attach import start_agent
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.recipe import Recipe
from chimera_pipelines.heads.state import CONTROL, KINDS, HeadEntry, State
from chimera_pipelines.heads.wire import connect
from chimera_pipelines.settings import Settings

HEADS = tuple(KINDS)
PATIENCE_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="agents, and kills of a head")
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as home:
        found = recipe(Settings(home=Path(home)))
        directory = HeadsDirectory(Path(home).absolute() / "heads")
        report.progress("a new interpreter with the same imports")
        rows.append(_row("interpreter", [_interpreter(found) for _ in range(options.rounds)]))
        report.progress("agents")
        agents, firsts = [], []
        for _ in range(options.rounds):
            with _agent(found, directory) as took:
                agents.append(took)
                firsts.append(_start(directory, HEADS[0]))
        rows += [_row("agent", agents), _row("first head", firsts)]
        with _agent(found, directory):
            report.progress("heads")
            rows.append(_row("further head", [_start(directory, head) for head in HEADS]))
            found_up = report.seconds_of(options.rounds, lambda: warm.up(found))
            rows.append(_row("heads up, when they are", found_up))
            rows += _memory(directory)
            report.progress("kills")
            kills = [_kill(directory, HEADS[at % len(HEADS)]) for at in range(options.rounds)]
            rows.append(_row("killed", kills))
    report.publish("heads", rows, packages=["qiskit", "qiskit-aer", "torch", "dagster"])


def _row(what: str, seconds: list[float]) -> dict[str, object]:
    return {
        "what": what,
        "median_s": round(statistics.median(seconds), 4),
        "best_s": round(min(seconds), 4),
        "worst_s": round(max(seconds), 4),
    }


def _interpreter(found: Recipe) -> float:
    imports = "\n".join(f"import {name}" for name in found.preload)
    command = [sys.executable, "-c", imports]
    return report.best_of(1, lambda: subprocess.run(command, check=True))


@contextmanager
def _agent(found: Recipe, directory: HeadsDirectory) -> Iterator[float]:
    """An agent, ended at the end, and the seconds until it was ready."""
    began = time.perf_counter()
    start_agent(found, directory.path).wait()
    took = time.perf_counter() - began
    try:
        yield took
    finally:
        warm.down(found.settings)


def _start(directory: HeadsDirectory, head: str) -> float:
    """Seconds from asking for a head to its answer."""
    began = time.perf_counter()
    warm.ask(directory, {"do": "start", "head": head})
    _answers(directory, head, after=_entry(directory, head).incarnation - 1)
    return time.perf_counter() - began


def _kill(directory: HeadsDirectory, head: str) -> float:
    """Seconds from SIGKILL to the answer of the next incarnation."""
    entry = _entry(directory, head)
    assert entry.pid is not None
    began = time.perf_counter()
    os.kill(entry.pid, signal.SIGKILL)
    _answers(directory, head, after=entry.incarnation)
    return time.perf_counter() - began


def _answers(directory: HeadsDirectory, head: str, *, after: int) -> None:
    """Return when an incarnation later than `after` has answered."""
    until = time.perf_counter() + PATIENCE_S
    state = _state(directory)
    with connect(CONTROL, state.secret, directory=directory.path) as control:
        control.settimeout(PATIENCE_S)
        control.send({"do": "watch"})
        while time.perf_counter() < until:
            told = State.from_json(control.receive().frame["state"], secret=state.secret)
            entry = told.heads[head]
            if entry.incarnation > after and entry.state == "idle" and entry.address:
                with connect(entry.address, state.secret, directory=directory.path) as asked:
                    asked.send({"do": "status"})
                    assert asked.receive().frame["incarnation"] == entry.incarnation
                return
    raise TimeoutError(head)


def _memory(directory: HeadsDirectory) -> list[dict[str, object]]:
    """PSS and RSS of an agent and its four idle heads."""
    state = _state(directory)
    pids = {"agent": state.pid, **{head: entry.pid for head, entry in state.heads.items()}}
    sizes = {name: _sizes(pid) for name, pid in pids.items() if pid is not None}
    rows: list[dict[str, object]] = [
        {"what": name, "pss_mib": pss, "rss_mib": rss} for name, (pss, rss) in sizes.items()
    ]
    total = tuple(round(sum(part), 1) for part in zip(*sizes.values(), strict=True))
    return [*rows, {"what": "together", "pss_mib": total[0], "rss_mib": total[1]}]


def _sizes(pid: int) -> tuple[float, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    found = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
    pss, rss = (round(int(found[name].split()[0]) / 1024, 1) for name in ("Pss", "Rss"))
    return pss, rss


def _state(directory: HeadsDirectory) -> State:
    state = directory.read()
    assert state is not None
    return state


def _entry(directory: HeadsDirectory, head: str) -> HeadEntry:
    return _state(directory).heads[head]


if __name__ == "__main__":
    main()
