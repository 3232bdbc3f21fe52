"""A generated document of many kernels, and a driver that hurts the heads which run it.

Everything follows from a seed but the moments at which the machine lets things happen: outputs must
not depend on those.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Self

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads.directory import HeadsDirectory

HEADER = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:5b0c7c0e-94a6-4d0e-8a55-{seed:012d}
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
requires: {{resources: [qiskit, pytorch]}}
permissions: {{execute: ["gateway://local/default"]}}
---
## Intent
{count} kernels whose outputs depend on nothing but their seeds.

"""

PYTHON = """```python {{#{name}}}
import numpy as np


def run(seed, x):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((160, 160)) / 16 + x * 1e-6
    for _ in range({work}):
        a = np.tanh(a @ a.T * 0.05 + a * 0.3)
    return {{"x": round(float(np.abs(a).sum()), 6)}}
```
"""

CIRCUIT = """```qiskit {{#{name}}}
from qiskit import QuantumCircuit


def circuit(x):
    qc = QuantumCircuit({qubits})
    for layer in range({work}):
        for q in range({qubits}):
            qc.ry(0.1 * (q + layer + 1) + 1e-6 * x, q)
        for q in range({qubits} - 1):
            qc.cx(q, q + 1)
    qc.measure_all()
    return qc


def post(counts):
    return {{"x": float(sum(key.count("1") * n for key, n in counts.items())) / 100}}
```
"""

LOOP = """```qiskit {{#{name}}}
from qiskit import QuantumCircuit


def circuit(theta, x):
    qc = QuantumCircuit({qubits})
    for q in range({qubits}):
        qc.ry(theta + 0.01 * q + 1e-6 * x, q)
    for q in range({qubits} - 1):
        qc.cx(q, q + 1)
    return qc


def observable():
    return {{"Z" * {qubits}: 1.0}}


def post(expectation, theta):
    return {{"x": round(float(expectation), 9), "theta": theta}}
```

```python {{#{name}_next}}
def run(x, theta):
    return {{"theta": round(theta + 0.05 * (1 + x), 9), "done": False}}
```
"""


def document(count: int, *, seed: int = 1, work: int = 100) -> str:
    """A document of `count` kernels: python, circuits and loops in turn, in several levels.

    Args:
        count: kernels.
        seed: of the shape of the graph.
        work: how long kernels take, 100 for a fraction of a second each.
    """
    choose = random.Random(seed)
    lines, blocks, names = [], [], []
    for n in range(count):
        kind = ("python", "circuit", "loop")[n % 3]
        name = f"{kind}{n}"
        source = f"${choose.choice(names[-6:])}.x" if names and n % 5 else "1.5"
        options = {
            "python": f"seed: {n}",
            "circuit": f"seed: {n}, shots: 500, head: [qiskit]",
            "loop": f"seed: {n}, shots: exact, head: [qiskit], "
            f"feedback: {{block: {name}_next, carry: [theta], max_iterations: 12}}",
        }[kind]
        theta = ", theta: 0.3" if kind == "loop" else ""
        lines.append(f"  {name}: {{{options}, timeout: 600, inputs: {{x: {source}{theta}}}}}")
        text = {"python": PYTHON, "circuit": CIRCUIT, "loop": LOOP}[kind]
        qubits = {"circuit": 14, "loop": 8}.get(kind, 0)
        blocks.append(text.format(name=name, qubits=qubits, work=max(1, work // 5)))
        names.append(name)
    return (
        HEADER.format(seed=seed, count=count)
        + "## Dependencies\n```yaml\nkernels:\n"
        + "\n".join(lines)
        + "\n```\n\n## Code_Blocks\n"
        + "\n".join(blocks)
    )


@dataclass
class Driver:
    """Hurts a head every few seconds until it is told to stop.

    A head that a fault waits for already is left alone.

    Attributes:
        heads: folder of the agent.
        marks: folder of what preloaded faults look for (tests/e2e/faults.py).
        pause_s: from one fault to the next, at least and at most.
        done: how often each kind of fault was done.
    """

    heads: Path
    marks: Path
    seed: int = 1
    pause_s: tuple[float, float] = (1.0, 3.0)
    kinds: tuple[str, ...] = ("kill", "stop", "corrupt", "missign", "lose_device")
    done: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._drive, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for mark in self.marks.iterdir():
            mark.unlink(missing_ok=True)

    def _drive(self) -> None:
        choose = random.Random(self.seed)
        while not self._stop.wait(choose.uniform(*self.pause_s)):
            kind, at = choose.choice(self.kinds), choose.random()
            pids = self._pids()
            if not pids:
                continue
            head = sorted(pids)[int(at * len(pids))]
            self._hurt(kind, head, pids[head])

    def _pids(self) -> dict[str, int]:
        try:
            state = HeadsDirectory(self.heads).read()
        except ChimeraError:
            state = None
        if state is None:
            return {}
        marked = {mark.name.partition("_HEAD_")[2] for mark in self.marks.iterdir()}
        return {
            head: entry.pid
            for head, entry in state.heads.items()
            if entry.pid is not None
            and entry.state == "idle"
            and head.removeprefix("HEAD_") not in marked
        }

    def _hurt(self, kind: str, head: str, pid: int) -> None:
        with suppress(ProcessLookupError):
            if kind == "kill":
                os.kill(pid, signal.SIGKILL)
            elif kind == "stop":
                os.kill(pid, signal.SIGSTOP)
            else:
                (self.marks / f"{kind}_{head}").touch()
            self.done[kind] += 1


def share_bytes(home: Path) -> int:
    """Bytes of all files below the ring, which may come and go meanwhile."""
    found = 0
    for path in (home / "ring").rglob("*"):
        with suppress(FileNotFoundError):
            status = path.stat()
            found += status.st_size if S_ISREG(status.st_mode) else 0
    return found


@dataclass
class Scale:
    """Weighs the ring again and again until it is told to stop; `most` is its greatest size."""

    home: Path
    most: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._weigh, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _weigh(self) -> None:
        while not self._stop.wait(0.1):
            self.most = max(self.most, share_bytes(self.home))


def running(pids: set[int]) -> set[int]:
    """Which of these processes are there and no zombies."""
    found = set()
    for pid in pids:
        with suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text("ascii")
            if text.rpartition(")")[2].split()[0] != "Z":
                found.add(pid)
    return found


def wait_gone(pids: set[int], seconds: float = 10.0) -> set[int]:
    """Those of the processes that are still there after so long."""
    end = time.monotonic() + seconds
    while running(pids) and time.monotonic() < end:
        time.sleep(0.05)
    return running(pids)
