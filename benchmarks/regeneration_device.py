"""`benchmarks.regeneration --gpu`: kill -9 of a head that holds a register on a device.

A real agent, its head, and four stores; the clock is the machine's own monotonic one, which both
sides read. Needs the packages that heads and ring need, and torch.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import report
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.recipe import Recipe
from chimera_pipelines.heads.state import HeadEntry
from chimera_pipelines.heads.warm import down, up
from chimera_pipelines.heads.wire import connect
from chimera_pipelines.lifecycle.sealing import key_store
from chimera_pipelines.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
HEAD = "HEAD_1"
WAIT_S = 300.0
PERFORMERS = {
    "hold": "benchmarks.device_register:Hold",
    "regeneration": "benchmarks.device_register:Back",
}


class Warm:
    """An agent with one head, and what is asked of it."""

    def __init__(self, home: Path) -> None:
        self.notes = home / "notes"
        self.folder = home / "heads"

    def entry(self, *, after: int = 0) -> HeadEntry:
        """The head once an incarnation later than `after` may work."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            state = HeadsDirectory(self.folder).read()
            if state is None:
                raise SystemExit(f"the agent is gone: see {self.folder}/agent.log")
            entry = state.heads[HEAD]
            if entry.incarnation > after and entry.state == "idle":
                return entry
            time.sleep(0.002)
        raise SystemExit(f"{HEAD} does not come: see {self.folder}/agent.log")

    def ask(self, entry: HeadEntry, **payload: Any) -> tuple[float, Mapping[str, Any]]:
        """When the head began a step, and what it told at its end."""
        state = HeadsDirectory(self.folder).read()
        assert state is not None
        assert entry.address is not None
        with connect(entry.address, state.secret, directory=self.folder) as connection:
            work = {"do": "perform", "work": "w", "performer": "hold", "payload": payload}
            connection.send(work)
            frames: dict[str, dict[str, Any]] = {}
            while "rest" not in frames:
                frame = connection.receive().frame
                frames[str(frame["is"])] = frame
        if "end" not in frames:
            raise SystemExit(f"the head cannot: {frames['rest']['error']}")
        return float(frames["start"]["at"]), frames["end"]

    def timeline(self, incarnation: int) -> dict[str, Any]:
        """How an incarnation came, as it recorded it."""
        path, end = self.notes / f"{incarnation}.json", time.monotonic() + WAIT_S
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.01)
        return dict(json.loads(path.read_bytes()))


@contextmanager
def agent_in(home: Path, device: str) -> Iterator[Warm]:
    found = Warm(home)
    found.notes.mkdir()
    kept = {"BENCHMARK_DEVICE": device, "BENCHMARK_NOTES": str(found.notes)}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ.update(kept, PYTHONPATH=os.pathsep.join(paths))
    settings = Settings(home=home, head_memory_bytes=1 << 40)
    key_store(settings).ensure()
    up(Recipe(settings, PERFORMERS, start=(HEAD,)))
    try:
        yield found
    finally:
        down(settings)


def measure(size: int, suite: str, *, rounds: int, device: str, folder: Path) -> report.Row:
    """Kill a head `rounds` times; medians of what it took to have its register back."""
    with tempfile.TemporaryDirectory(dir=folder) as made, agent_in(Path(made), device) as agent:
        entry = agent.entry()
        _, first = agent.ask(entry, do="hold", bytes=size, suite=suite)
        rows = []
        for _ in range(rounds):
            assert entry.pid is not None
            killed = time.monotonic()
            os.kill(entry.pid, signal.SIGKILL)
            entry = agent.entry(after=entry.incarnation)
            begun, now = agent.ask(entry, do="look")
            same = all(now[name] == first[name] for name in ("checksum", "bytes", "device"))
            if not same or now["incarnation"] != entry.incarnation:
                raise SystemExit(f"another register came back: {now} for {first}")
            stages = agent.timeline(entry.incarnation)["stages"]
            rows.append(
                {
                    "on_device_s": now["on_device_at"] - killed,
                    "kill_to_step_s": begun - killed,
                    **{f"{one['stage']}_s": one["seconds"] for one in stages},
                    **{name: now[name] for name in ("to_device_s", "device_s", "device_wait_s")},
                }
            )
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    about = {"device": first["device"], "mebibytes": size >> 20, "suite": suite}
    return {**about, "save_s": first["save_s"], **medians}


def main(
    mebibytes: Sequence[int], suites: Sequence[str], *, rounds: int, device: str, folder: Path
) -> None:
    rows = []
    for size in mebibytes:
        for suite in suites:
            report.progress(f"{size} MiB in {suite} on {device}")
            rows.append(measure(size << 20, suite, rounds=rounds, device=device, folder=folder))
    note = "decrypt_s has to_device_s in it; device_s runs beside gather and rebuild" + name_of(
        device
    )
    report.publish("regeneration", rows, packages=("torch", "numpy", "cryptography"), note=note)


def name_of(device: str) -> str:
    """The GPU, asked at the end: heads come from a process that has not touched it."""
    import torch

    return f"; {torch.cuda.get_device_name()}" if device.startswith("cuda") else ""
