"""`benchmarks.regeneration`: runs whose head is killed while it holds a register."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report
from chimera_pipelines.cli.warm_heads import recipe
from chimera_pipelines.digest import sha256
from chimera_pipelines.heads.timeline import Stage, Timeline
from chimera_pipelines.ledger.ledger import Ledger
from chimera_pipelines.lifecycle.journal import Journal
from chimera_pipelines.lifecycle.receipts import TicketFields
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.sealing import key_store
from chimera_pipelines.maml.history import doc_digest
from chimera_pipelines.settings import Settings
from tests.e2e.warm import World, warm

ENCRYPTION = {"GCM": "aes-256", "SIV": "aes-512"}
HEAD = "HEAD_1"
STEP = "k.measure"
PAST = "urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10"
TEXT = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:5b0c7c0e-94a6-4d0e-8a55-000000000077
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
requires: {{resources: [qiskit]}}
permissions: {{execute: ["gateway://local/default"]}}
encryption: {encryption}
---
## Intent
Hold a register of {qubits} qubits.

## Dependencies
```yaml
kernels:
  k: {{seed: 1, shots: 100, head: [HEAD_1], timeout: 600}}
```

## Code_Blocks
```qiskit {{#k}}
from qiskit import QuantumCircuit


def circuit():
    qc = QuantumCircuit({qubits})
    qc.h(0)
    for q in range({qubits} - 1):
        qc.cx(q, q + 1)
    qc.measure_all()
    return qc
```
"""


def write_tickets(world: World, count: int, *, before: int) -> None:
    """Have `count` tickets of the head in one History, of which there are `before` already."""
    text = f"---\nid: {PAST}\n---\n## Intent\nBe long.\n"
    path = world.home / "documents" / "past.maml.md"
    if not before:
        world.document(text, "past")
    settings = world.settings
    ledger = Ledger(settings.ledger)
    digest = doc_digest(text.encode())
    keys, gateway = key_store(settings), settings.gateway
    journal = Journal(
        path, PAST, digest, keys=keys, ledger=ledger, gateway=gateway, home=settings.root
    )
    run = new_run_id()
    journal.grant(run, settings.principal, (HEAD,), 1)
    for number in range(before, count):
        journal.ticket(
            TicketFields(
                run_id=run,
                kernel=f"k{number}",
                status="ok",
                head=HEAD,
                head_kind="quantum",
                cuda_ns=None,
                input_digest=sha256(f"{number}".encode()),
                output_digest=sha256(b"{}"),
            )
        )
    ledger.close()


def killed(world: World, path: Path) -> dict[str, float]:
    """One run whose head dies in phase 4: seconds of the whole and of each stage."""
    before = len(notes(world))
    world.mark(f"die_{STEP}")
    told = world.run(path)
    (death,) = told["regenerations"]
    timeline = Timeline.from_json(death["timeline"])
    if timeline.states != 1:
        raise SystemExit(f"the register did not come back: {timeline.line()}")
    kill, resumed = [at for _, key, at in notes(world)[before:] if key == STEP][-2:]
    stages = {f"{stage}_s": timeline.stages.get(stage, 0.0) for stage in Stage}
    return {"kill_to_step_s": resumed - kill, **stages, "tickets": timeline.tickets}


def notes(world: World) -> list[tuple[str, str, float]]:
    """What heads noted of their steps."""
    lines = world.told.read_text().splitlines() if world.told.exists() else []
    return [(what, key, float(at)) for what, key, at in (line.split() for line in lines)]


def main(
    mebibytes: Sequence[int],
    suites: Sequence[str],
    tickets: Sequence[int],
    *,
    rounds: int,
    folder: Path,
) -> None:
    """Measure and publish."""
    rows = []
    for size in mebibytes:
        for suite in suites:
            report.progress(f"{size} MiB in {suite}")
            with tempfile.TemporaryDirectory(dir=folder) as made:
                rows += measure(Path(made), size, suite, sorted(tickets), rounds)
    report.publish("regeneration", rows, packages=("numpy", "cryptography", "qiskit-aer"))


def measure(
    folder: Path, size: int, suite: str, tickets: Sequence[int], rounds: int
) -> list[report.Row]:
    """Rows of one size and suite, for a history that grows."""
    qubits = (size << 20).bit_length() - 1 - 4  # 16 bytes an amplitude
    rows: list[report.Row] = []
    preload = (*recipe(Settings()).preload, "benchmarks.step_deaths")  # as of `chimera heads up`
    with warm(folder, start=(HEAD,), preload=preload) as world:
        path = world.document(TEXT.format(qubits=qubits, encryption=ENCRYPTION[suite]))
        world.run(path)
        written = 0
        for count in tickets:
            write_tickets(world, count, before=written)
            written = count
            found = [killed(world, path) for _ in range(rounds)]
            medians = {name: statistics.median(one[name] for one in found) for name in found[0]}
            about: Mapping[str, Any] = {"mebibytes": size, "suite": suite, "history": count}
            rows.append({**about, **medians})
    return rows
