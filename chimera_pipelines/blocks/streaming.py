"""Decoder duty for a document's blocks: raw shots into rows, and memories decoded as they run.

A python kernel on any head that has the tag `qec` is a decoder; nothing else is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chimera_pipelines.blocks.faults import plain_refusals

Shots = Sequence[Sequence[int]] | bytes | Any


@plain_refusals
def decode(
    model: str,
    events: Shots,
    flips: Shots,
    *,
    decoder: str = "pymatching",
    options: Mapping[str, Any] | None = None,
    noise: str | None = None,
) -> dict[str, Any]:
    """`{noise, decoder, detectors, observables, shots, errors, logical, low, high}` of raw shots.

    Args:
        model: text of the detector error model (`.dem`).
        events: detection events, a list or array of 0 and 1 for each shot, or the bytes of a `b8`
            file.
        flips: what the observables did, likewise.
        decoder: name of the decoder.
        options: its options.
        noise: name of the noise; None: the content id of the model.

    Raises:
        BlocksError: CHIM792 to CHIM796 for a model, shots or decoder that do not fit.
    """
    from chimera_pipelines.qec.shots import decode_shots
    from chimera_pipelines.qec.shots_files import packed_from, parse_model

    read = parse_model(model)
    row = decode_shots(
        read,
        packed_from(events, read.num_detectors, "events"),
        packed_from(flips, read.num_observables, "flips"),
        using=decoder,
        options=options,
        noise=noise,
    )
    return row.as_json()


@plain_refusals
def stream(
    *,
    physical: float,
    distance: int = 3,
    rounds: int | None = None,
    noise: str = "uniform",
    basis: str = "z",
    commit: int | None = None,
    buffer: int | None = None,
    shots: int = 10_000,
    seed: int = 0,
    where: str = "thread",
    timing: bool = False,
) -> dict[str, Any]:
    """`{rows}` of one memory whose rounds are decoded in sliding windows while they come in.

    The row is that of `surface_code_memory` with `decoder: window` and the same arguments, shot by
    shot, and says `commit` and `buffer`.

    Args:
        physical: physical error rate.
        distance: code distance.
        rounds: of the memory; None: ten times the distance.
        noise: name of the noise model.
        basis: `z` or `x`.
        commit: rounds that become final together; None: the distance.
        buffer: rounds behind them; None: the distance, which costs no accuracy.
        shots: memories.
        seed: any whole number.
        where: `thread`, or outside of a sandbox `process`.
        timing: add `timing`, the measured figures (overlap, microseconds a round, waits): they
            differ from run to run, and so does the digest of what is published.

    Raises:
        BlocksError: CHIM790 to CHIM794 for arguments that make no experiment.
    """
    from chimera_pipelines.qec.errors import ExperimentError
    from chimera_pipelines.qec.session_memory import stream_memory

    if not isinstance(timing, bool):
        raise ExperimentError("CHIM791", f"timing {timing!r:.40}", hint="True or False")
    row, reports = stream_memory(
        physical=physical,
        distance=distance,
        rounds=rounds,
        noise=noise,
        basis=basis,
        commit=commit,
        buffer=buffer,
        shots=shots,
        seed=seed,
        where=where,
    )
    figures = {"timing": [report.as_json() for report in reports]} if timing else {}
    return {"rows": [row]} | figures
