"""Quantum error correction for a document's blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chimera_pipelines.blocks.faults import plain_refusals
from chimera_pipelines.qec.curves import counted, crossing


@plain_refusals
def surface_code_memory(
    *,
    physical: float | Sequence[float],
    distances: int | Sequence[int] = (3, 5, 7),
    rounds: int | None = None,
    noise: str | Sequence[str] = "uniform",
    basis: str = "z",
    decoder: str | Sequence[str] = "pymatching",
    options: Mapping[str, Any] | None = None,
    shots: int = 100_000,
    max_errors: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """`{rows, statements}` of surface-code memory experiments, ready to be published.

    A row is `{noise, distance, rounds, basis, physical, logical, low, high, errors, shots,
    decoder}`: the logical error rate of all rounds together with its 95 per cent Wilson interval. A
    statement says what may be said of each row's fidelity. Rows with several physical rates are
    drawn over them, others over the distances.

    Args:
        physical: physical error rate or rates.
        distances: code distance or distances.
        rounds: rounds of each; None: as many as the distance (1 under code capacity).
        noise: `code_capacity`, `phenomenological`, `uniform`, `sd6`, `si1000`, or several.
        basis: `z` or `x`.
        decoder: `pymatching`, `pymatching_correlated`, `table` (distance 3), `window`, or several.
        options: options of the decoder.
        shots: experiments a row.
        max_errors: a row ends with the batch in which it has so many errors.
        seed: any whole number; equal arguments give equal rows.

    Raises:
        BlocksError: CHIM790 to CHIM793 for arguments that make no experiment.
    """
    from chimera_pipelines.qec.experiment import each, memory_experiment

    rows = [
        row
        for model in each(noise)
        for name in each(decoder)
        for row in memory_experiment(
            physical=physical,
            distances=distances,
            rounds=rounds,
            noise=model,
            basis=basis,
            decoder=name,
            options=options,
            shots=shots,
            max_errors=max_errors,
            seed=seed,
        )
    ]
    return {
        "rows": [row.as_json() for row in rows],
        "statements": [row.statement() for row in rows],
    }


@plain_refusals
def logical_threshold(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Physical rate at which rows of the largest distance begin to be worse than the smallest.

    Rows of one noise model and decoder over several rates; None where they do not cross.

    Raises:
        BlocksError: CHIM791 for what is no such rows.
    """
    return crossing(counted(rows))
