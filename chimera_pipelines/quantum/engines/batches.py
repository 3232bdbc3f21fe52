"""Which circuits of a run become rows of one batch on the torch state vector.

Strategy: rows of a batch share a structure and differ in angles, start and phase. Aer takes them
one after the other, so from some size on one pass over all rows is 2 to 3 times faster to 12
qubits (docs/benchmarks.md, batches). Below that size importing PyTorch would cost more than it
saves. The rule looks at the request alone, never at what is loaded: a rerun takes the same engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chimera_pipelines.quantum.engines.protocol import Choice, Job
from chimera_pipelines.quantum.statevector.circuit import takes

MAX_QUBITS = 12
MIN_ROWS = 8
MIN_AMPLITUDES = 1 << 18


def batched(planned: Sequence[Job]) -> list[Job]:
    """The jobs, those that gain by it given to the torch state vector as rows of batches."""
    rows: dict[str, list[Job]] = {}
    for job in planned:
        if _fits(job):
            rows.setdefault(job.form.structure(), []).append(job)
    moved: Mapping[int, Job] = {
        job.at: _moved(job, len(batch)) for batch in rows.values() if _gains(batch) for job in batch
    }
    return [moved.get(job.at, job) for job in planned]


def _fits(job: Job) -> bool:
    body = job.form.body
    return (
        job.choice.engine == "aer"
        and job.choice.method == "statevector"
        and not job.form.dynamic
        and body.num_qubits <= MAX_QUBITS
        and takes(body)
    )


def _gains(batch: Sequence[Job]) -> bool:
    amplitudes = len(batch) << batch[0].form.body.num_qubits
    return len(batch) >= MIN_ROWS and amplitudes >= MIN_AMPLITUDES


def _moved(job: Job, rows: int) -> Job:
    made = job.choice
    reason = f"{made.reason}; {rows} circuits of one structure in a batch"
    return replace(job, choice=Choice("torch", made.method, reason, made.nbytes))
