"""Memory experiments counted: sample, decode, compare, and rows with intervals.

Equal arguments give equal rows on one machine: each row draws from its own seed, made from the
experiment's and everything that names the row, so rows do not depend on which others are asked for.
(stim promises equal samples for equal seeds only between machines of the same SIMD width.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import stim

from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.decoders import decoder_with, registered
from chimera_pipelines.qec.errors import ExperimentError
from chimera_pipelines.qec.noise import noise_model, probability
from chimera_pipelines.qec.projection import one_basis
from chimera_pipelines.qec.statistics import Interval, statement, wilson

MAX_SHOTS: Final = 10**9
_BATCH: Final = 1 << 15
_BATCH_BYTES: Final = 1 << 25


@dataclass(frozen=True, slots=True)
class Row:
    """One counted experiment.

    Attributes:
        noise: name of the noise model.
        distance: code distance.
        rounds: rounds of syndrome measurement.
        basis: `z` or `x`.
        physical: physical error rate.
        logical: logical error rate of all rounds together.
        low: lower end of its 95 per cent Wilson interval.
        high: upper end.
        errors: wrong corrections.
        shots: experiments counted.
        decoder: name of the decoder.
    """

    noise: str
    distance: int
    rounds: int
    basis: str
    physical: float
    logical: float
    low: float
    high: float
    errors: int
    shots: int
    decoder: str

    def as_json(self) -> dict[str, Any]:
        """The row as a document publishes it."""
        return asdict(self)

    def statement(self) -> str:
        """What may be said of its fidelity: always with the noise model, and whether it helps."""
        return statement(
            noise=self.noise,
            distance=self.distance,
            rounds=self.rounds,
            physical=self.physical,
            decoder=self.decoder,
            interval=Interval(self.logical, self.low, self.high),
        )


def memory_experiment(
    *,
    physical: float | Sequence[float],
    distances: int | Sequence[int] = (3, 5, 7),
    rounds: int | None = None,
    noise: str = "uniform",
    basis: str = "z",
    decoder: str = "pymatching",
    options: Mapping[str, Any] | None = None,
    shots: int = 100_000,
    max_errors: int | None = None,
    seed: int = 0,
) -> list[Row]:
    """Rows of surface-code memories, for each physical rate one of each distance.

    Args:
        physical: physical error rate or rates.
        distances: code distance or distances.
        rounds: rounds of each; None: as many as the distance (1 under code capacity).
        noise: name of the noise model.
        basis: `z` or `x`.
        decoder: name of the decoder.
        options: options of the decoder.
        shots: experiments a row.
        max_errors: a row ends with the batch in which it has so many errors.
        seed: any whole number.

    Raises:
        NoiseModelError: CHIM790 when a model or rate is none.
        ExperimentError: CHIM791 when another argument is none.
        DecodingError: CHIM793 when the decoder is unknown or cannot take the model.
    """
    model = noise_model(noise)
    counting("shots", shots)
    if max_errors is not None:
        counting("max_errors", max_errors)
    rows = []
    for rate in each(physical):
        probability("physical error rate", rate)
        for distance in each(distances):
            count = rounds if rounds is not None else 1 if model.single_round else distance
            circuit = memory_circuit(distance, count, noise=noise, physical=rate, basis=basis)
            named = f"{noise} {distance} {count} {basis} {float(rate).hex()}"
            errors, taken = count_errors(
                circuit,
                decoder,
                options=options,
                shots=shots,
                max_errors=max_errors,
                seed=row_seed(seed, named),
            )
            found = wilson(errors, taken)
            rates = float(rate), found.rate, found.low, found.high
            rows.append(Row(noise, distance, count, basis, *rates, errors, taken, decoder))
    return rows


def count_errors(
    circuit: stim.Circuit,
    decoder: str,
    *,
    shots: int,
    seed: int,
    options: Mapping[str, Any] | None = None,
    max_errors: int | None = None,
) -> tuple[int, int]:
    """Wrong corrections, and shots taken, of a noisy memory circuit.

    Raises:
        DetectorModelError: CHIM792 when an error flips the observable and no detector.
        DecodingError: CHIM793 when the decoder is unknown or cannot take the circuit's model.
    """
    return prepare(circuit, decoder, options).count(shots, seed=seed, max_errors=max_errors)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A circuit as a decoder sees it, and the decoder compiled for it."""

    circuit: stim.Circuit
    compiled: Any

    def count(self, shots: int, *, seed: int, max_errors: int | None = None) -> tuple[int, int]:
        """Wrong corrections, and shots taken."""
        sampler = self.circuit.compile_detector_sampler(seed=seed)
        most = batch_shots(self.circuit.num_detectors)
        errors = taken = 0
        while taken < shots and (max_errors is None or errors < max_errors):
            size = min(most, shots - taken)
            events, flips = sampler.sample(size, separate_observables=True, bit_packed=True)
            guess = self.compiled.decode_shots_bit_packed(bit_packed_detection_event_data=events)
            errors += int(np.count_nonzero((guess != flips).any(axis=1)))
            taken += size
        return errors, taken


def prepare(
    circuit: stim.Circuit, decoder: str, options: Mapping[str, Any] | None = None
) -> Prepared:
    """The decoder for a noisy memory circuit.

    It sees the held basis alone, both bases decomposed into edges, or both as they are, whichever
    it is best with.
    """
    scope = registered(decoder).scope
    seen = one_basis(circuit) if scope == "basis" else circuit
    model = seen.detector_error_model(decompose_errors=scope == "full")
    made = decoder_with(decoder, options)
    return Prepared(seen, made.compile_decoder_for_dem(dem=model))


def row_seed(seed: int, named: str) -> int:
    """Seed of the row that is so named, 63 bits.

    Raises:
        ExperimentError: CHIM791 unless the experiment's seed is a whole number.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ExperimentError("CHIM791", f"seed {seed!r:.40}", hint="any whole number")
    data = hashlib.sha256(f"{seed} {named}".encode()).digest()
    return int.from_bytes(data[:8], "big") >> 1


def each(values: Any) -> list[Any]:
    """One value, or those of a list.

    Raises:
        ExperimentError: CHIM791 for an empty list.
    """
    found = list(values) if isinstance(values, list | tuple) else [values]
    if not found:
        raise ExperimentError("CHIM791", "nothing to count: an empty list", hint="name one value")
    return found


def batch_shots(detectors: int) -> int:
    """Shots that are sampled at once: as many as fit 32 MiB, eight detectors to a byte."""
    return max(1, min(_BATCH, _BATCH_BYTES // -(-detectors // 8) if detectors else _BATCH))


def counting(what: str, value: object) -> None:
    """Refuses what is no number of shots.

    Raises:
        ExperimentError: CHIM791.
    """
    sound = isinstance(value, int) and not isinstance(value, bool)
    if not sound or not 1 <= value <= MAX_SHOTS:  # type: ignore[operator]
        raise ExperimentError(
            "CHIM791", f"{what} {value!r:.40} is out of range", hint=f"whole, 1 to {MAX_SHOTS}"
        )
