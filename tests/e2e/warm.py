"""Warm heads for a test, with faults preloaded, and `chimera run` on them from other processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.heads.attach import heads_directory, start_agent
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.recipe import Recipe
from chimera_pipelines.heads.state import HeadEntry
from chimera_pipelines.ledger.evidence import HeadEvent
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.maml.history import parse_history
from chimera_pipelines.phase import PHASES
from chimera_pipelines.scheduling.performers import PERFORMERS
from chimera_pipelines.settings import Settings
from tests.e2e.chaos import wait_gone

ROOT = Path(__file__).resolve().parents[2]
RUN_S = 150.0
FAULTS = ("tests.e2e.faults",)


@dataclass
class World:
    """A `CHIMERA_HOME`, its heads, and what runs there."""

    home: Path
    marks: Path
    preload: tuple[str, ...] = FAULTS
    pids: set[int] = field(default_factory=set)

    @property
    def heads(self) -> Path:
        return heads_directory(self.settings)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, memory_bytes=1 << 30)

    @property
    def variables(self) -> dict[str, str]:
        """What preloaded faults look for."""
        return {"TEST_MARKS": str(self.marks), "TEST_TOLD": str(self.told)}

    @property
    def told(self) -> Path:
        return self.marks.with_name("told")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("CHIMERA_")}
        return {
            **kept,
            "CHIMERA_HOME": str(self.home),
            "CHIMERA_MEMORY_BYTES": str(1 << 30),
            **self.variables,
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
        }

    def mark(self, name: str) -> None:
        (self.marks / name).touch()

    def document(self, text: str, name: str = "doc") -> Path:
        path = self.home / "documents" / f"{name}.maml.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def chimera(self, *arguments: object) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("chimera")), *map(str, arguments)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, env=self.environment, cwd=ROOT, text=True, stdout=pipe, stderr=pipe
        )
        self.pids.add(process.pid)
        return process

    def call(self, *arguments: object, code: int = 0) -> Any:
        return finished(self.chimera(*arguments, "--json"), code=code)

    def run(self, path: Path, *arguments: object, code: int = 0) -> Any:
        return self.call("run", path, "--force", *arguments, code=code)

    def entry(self, head: str) -> HeadEntry:
        state = HeadsDirectory(self.heads).read()
        assert state is not None
        entry = state.heads[head]
        if entry.pid is not None:
            self.pids.add(entry.pid)
        return entry

    def busy(self, step: str | None = None) -> tuple[str, int]:
        """Head and process that work, in a step of that name if one is given."""

        def found() -> tuple[str, int] | None:
            rows = self.call("heads", "status")["heads"]
            for row in rows:
                if row["state"] == "busy" and row["pid"] and step in (None, row["step"]):
                    return str(row["head"]), int(row["pid"])
            return None

        got = until(f"a busy head in {step}", found)
        self.pids.add(got[1])
        return got

    def events(self, kind: str | None = None) -> list[HeadEvent]:
        """Head events, oldest first."""
        ledger = Ledger(self.settings.ledger)
        try:
            found = ledger.head_events(limit=1000)
        finally:
            ledger.close()
        return [event for event in reversed(found) if kind in (None, event.event)]

    def tickets(self, path: Path) -> list[tuple[str, str]]:
        """(kernel, status) of every ticket of a document, in order; each was verified."""
        verdict = self.call("verify", path)
        assert verdict["ok"], verdict
        entries = [e for e in parse_history(path.read_bytes()) if e.action == "TICKET"]
        return [(entry.fields["kernel"], entry.fields["status"]) for entry in entries]

    def steps(self, run_id: str) -> Counter[str]:
        """How often heads told the end of each step of a run."""
        lines = (line.split() for line in self.told.read_text("utf-8").splitlines())
        return Counter(key for run, key in lines if run == run_id)

    def in_ledger(self, run_id: str) -> list[tuple[str, str]]:
        """(kernel, status) of every ticket of a run that the ledger has; its chain holds."""
        ledger = Ledger(self.settings.ledger)
        try:
            ledger.verify_chain()
            rows = [
                row
                for head in ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")
                for row in ledger.last_tickets(head, 1000)
            ]
        finally:
            ledger.close()
        return sorted((str(r.kernel), str(r.status)) for r in rows if r.run_id == run_id)


def finished(process: subprocess.Popen[str], *, code: int = 0, seconds: float = RUN_S) -> Any:
    """What a `chimera … --json` printed."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hangs: {err[-2000:]}") from None
    assert process.returncode == code, f"exit {process.returncode}: {err[-2000:]} {out[-1000:]}"
    return json.loads(out) if out.strip() else None


def until(what: str, found: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """What `found` gives as soon as that is something; a failed test when it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


def outputs(report: Mapping[str, Any]) -> dict[str, str]:
    """Output digest of every kernel."""
    return {kernel["name"]: kernel["output_digest"] for kernel in report["kernels"]}


def each_once(kernels: Iterable[str]) -> Counter[str]:
    """Every phase of these kernels, ended and told once."""
    return Counter(f"{name}.{phase}" for name in kernels for phase in PHASES)


@contextmanager
def warm(
    folder: Path, *, start: tuple[str, ...] = (), preload: tuple[str, ...] = FAULTS
) -> Iterator[World]:
    """Heads for the time of a test; afterwards no process of it is left."""
    world = World(folder / "home", folder / "marks", preload)
    world.marks.mkdir(parents=True)
    world.home.mkdir()
    recipe = Recipe(world.settings, dict(PERFORMERS), world.preload, start)
    with pytest.MonkeyPatch.context() as patch:
        for name, text in world.variables.items():
            patch.setenv(name, text)
        patch.setenv("PYTHONPATH", str(ROOT))
        handle = start_agent(recipe, world.heads)
    try:
        handle.wait()
        yield world
    finally:
        state = HeadsDirectory(world.heads).read()
        if state is not None:
            world.pids |= {entry.pid for entry in state.heads.values() if entry.pid is not None}
            world.pids.add(state.pid)
        process = handle._process
        assert process is not None
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert wait_gone(world.pids) == set()
