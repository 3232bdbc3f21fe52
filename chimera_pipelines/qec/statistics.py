"""Logical error rates with their intervals, and the words in which they may be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from chimera_pipelines.qec.errors import ExperimentError
from chimera_pipelines.qec.noise import noise_model

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate and the interval that holds the true one with the confidence asked for."""

    rate: float
    low: float
    high: float


def wilson(errors: int, shots: int, *, confidence: float = CONFIDENCE) -> Interval:
    """The Wilson score interval of a proportion; sound at 0 errors too.

    Raises:
        ExperimentError: CHIM791 unless 0 <= errors <= shots, shots > 0 and 0 < confidence < 1.
    """
    if shots <= 0 or not 0 <= errors <= shots or not 0 < confidence < 1:
        raise ExperimentError(
            "CHIM791",
            f"no proportion: {errors!r} errors of {shots!r} shots at confidence {confidence!r}",
            hint="at least one shot, at most as many errors, a confidence between 0 and 1",
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, spread = errors / shots, z * z / shots
    centre = rate + spread / 2
    half = math.sqrt(spread * (rate * (1 - rate) + spread / 4))
    low = (centre - half) / (1 + spread) if errors else 0.0
    high = (centre + half) / (1 + spread) if errors < shots else 1.0
    return Interval(rate, min(low, rate), max(high, rate))


def per_round(logical: float, rounds: int) -> float:
    """Rate of a round when rounds flip independently: 1 − 2 P = (1 − 2 p)^rounds.

    Below one half only, and below threshold only: above it the figure falls with the distance
    because one divides by it.
    """
    return float(1 - max(0.0, 1 - 2 * logical) ** (1 / rounds)) / 2


def suffices(noise: str, physical: float, decoder: str) -> bool:
    """Whether a larger distance helps: the rate lies below the threshold seen for this decoder.

    One that was not measured, or goes on in front of another decoder, gets the lowest one seen.
    """
    seen = noise_model(noise).threshold
    return physical < seen.get(decoder, min(seen.values()))


def statement(
    *,
    noise: str,
    distance: int,
    rounds: int,
    physical: float,
    decoder: str,
    interval: Interval,
) -> str:
    """One true sentence about a logical fidelity: the only place where the library says one.

    It always names the noise model, and above threshold that no distance suffices.
    """
    fidelity, worst, best = (1 - x for x in (interval.rate, interval.high, interval.low))
    told = (
        f"logical fidelity {fidelity:.6g} of {rounds} rounds (95 %: {worst:.6g} to {best:.6g}) at"
        f" distance {distance}, physical error rate {physical:.6g}, noise model {noise}, decoder"
        f" {decoder}"
    )
    if suffices(noise, physical, decoder):
        return told
    return (
        f"{told}; no distance suffices: {physical:.6g} is at or above the threshold of this noise"
        " model and a larger code is worse"
    )
