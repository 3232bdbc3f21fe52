"""Phase 4 of a circuit: what a propagated register is asked, and what it gives.

A kept state vector is sampled or evaluated here; a circuit that was sampled while it propagated
hands on what it gave. Either way nothing leaves that is not a distribution: probabilities that do
not sum to 1, or are no numbers, are an error and never normalised.
"""

from __future__ import annotations

import math

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum import estimation, sampling
from chimera_pipelines.quantum.budget import Budget, Shots, for_counts
from chimera_pipelines.quantum.engines.protocol import Evolved, Held
from chimera_pipelines.quantum.measurement import Measurement, named
from chimera_pipelines.quantum.observables import Observable

LOST = 1e-5  # dropped probabilities under 1e-12, 2^20 of them, and a simulator's rounding


def measure(
    item: Held, at: int, shots: Shots, seed: int, observable: Observable | None
) -> Measurement:
    """Counts, probabilities or an expectation value of one circuit.

    Args:
        item: the circuit's register; `at` is its place in the run.
        at: see above.
        shots: a number a measured basis, a budget, or None for exact results.
        seed: of the pass.
        observable: over the circuit's width; None to read its own measurements.

    Raises:
        KernelError: CHIM778 for a state or probabilities that do not sum to 1, MAML319 for a budget
            that is too small, MAML904 for more exact outcomes than a result holds.
    """
    if not isinstance(item, Evolved):
        check(item.measurement)
        return item.measurement
    if observable is not None:
        if shots is None:
            return Measurement(expectation=sampling.expectation(item.state, observable))
        found = estimation.sampled(item.state, observable, shots, seed, at)
        return Measurement(expectation=found.value, error=found.error, shots=found.shots)
    names = item.record.registers
    if shots is None:
        chances = sampling.probabilities(item.state, item.measured)
        return Measurement(probabilities=named(item.record, chances), registers=names)
    number = for_counts(shots)
    outcomes = sampling.sample(item.state, number, sampling.generator(seed, at))
    counts = sampling.read_bits(outcomes, item.measured)
    used = number if isinstance(shots, Budget) else None
    return Measurement(counts=named(item.record, counts), registers=names, shots=used)


def check(measurement: Measurement) -> None:
    """Refuses what no measurement gives.

    Raises:
        KernelError: CHIM778 for probabilities that are no numbers, negative, or do not sum to 1,
            and for an expectation value that is not finite.
    """
    chances = measurement.probabilities
    if chances is not None:
        total = math.fsum(chances.values())
        if not (abs(total - 1.0) <= LOST and all(p >= 0.0 for p in chances.values())):
            raise _wrong(f"{len(chances)} probabilities sum to {total!r}, not 1")
    if measurement.expectation is not None and not math.isfinite(measurement.expectation):
        raise _wrong(f"an expectation value of {measurement.expectation!r}")


def _wrong(what: str) -> KernelError:
    return KernelError(
        "CHIM778",
        what,
        phase=Phase.MEASURE,
        hint="the register is damaged, or the method lost too much: try another backend method",
    )
