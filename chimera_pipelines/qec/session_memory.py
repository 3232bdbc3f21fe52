"""A memory experiment whose rounds go through a session, batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.experiment import Row, batch_shots, counting, row_seed
from chimera_pipelines.qec.projection import one_basis
from chimera_pipelines.qec.session import DecoderSession
from chimera_pipelines.qec.session_report import SessionReport
from chimera_pipelines.qec.statistics import wilson
from chimera_pipelines.qec.windows import SlidingWindow


def stream_memory(
    *,
    physical: float,
    distance: int,
    rounds: int | None,
    noise: str,
    basis: str,
    commit: int | None,
    buffer: int | None,
    shots: int,
    seed: int,
    where: Any = "process",
) -> tuple[dict[str, Any], list[SessionReport]]:
    """The counted row with `commit` and `buffer`, and what was measured in each batch.

    Samples are those of `experiment.memory_experiment` for the same arguments.

    Raises:
        NoiseModelError: CHIM790; ExperimentError: CHIM791; DecodingError: CHIM793.
    """
    counting("shots", shots)
    count = 10 * distance if rounds is None and isinstance(distance, int) else rounds
    circuit = one_basis(
        memory_circuit(distance, count, noise=noise, physical=physical, basis=basis)
    )
    commit = distance if commit is None else commit
    buffer = distance if buffer is None else buffer
    windows = SlidingWindow(circuit.detector_error_model(), commit=commit, buffer=buffer)
    named = f"{noise} {distance} {count} {basis} {float(physical).hex()}"
    sampler = circuit.compile_detector_sampler(seed=row_seed(seed, named))
    errors, left, reports = 0, shots, list[SessionReport]()
    while left:
        size = min(batch_shots(circuit.num_detectors), left)
        events, flips = sampler.sample(size, separate_observables=True, bit_packed=True)
        with DecoderSession(windows, shots=size, where=where) as session:
            for number in range(session.rounds):
                ids = session.detectors(number)
                session.push_round(events[:, ids >> 3] >> (ids & 7).astype(np.uint8) & 1)
                session.poll()
            errors += int(np.count_nonzero((session.finish() != flips).any(axis=1)))
            reports.append(session.report())
        left -= size
    found = wilson(errors, shots)
    rates = float(physical), found.rate, found.low, found.high
    row = Row(noise, distance, count, basis, *rates, errors, shots, "window")
    return row.as_json() | {"commit": commit, "buffer": buffer}, reports
