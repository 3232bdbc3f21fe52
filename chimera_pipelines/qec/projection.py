"""One basis of a detector error model: what the observable's own checks see of each error.

A surface code's X and Z checks see different parts of an error. Who corrects one basis only needs
that basis's detectors, and on those the *undecomposed* model is a graph already: projecting it is
exact, while stim's decomposition (`^`) splits some edges near the boundary in two. Matching on the
projection is 1 to 3 per cent more accurate and takes half the time (docs/qec.md).
"""

from __future__ import annotations

from collections.abc import Iterable

import stim

from chimera_pipelines.qec.errors import DetectorModelError, ExperimentError

_TWO = 2
Symptom = tuple[tuple[int, ...], tuple[int, ...]]


def basis_detectors(circuit: stim.Circuit) -> tuple[int, ...]:
    """Detectors of the basis that a memory circuit holds, in order.

    In its first layer only that basis has detectors; later ones stand at the same places.

    Raises:
        ExperimentError: CHIM791 when detectors have no coordinates (x, y, time).
    """
    coordinates = circuit.get_detector_coordinates()
    if not coordinates or any(len(place) <= _TWO for place in coordinates.values()):
        raise ExperimentError(
            "CHIM791",
            "detectors without coordinates (x, y, time)",
            hint="give the detectors of one basis yourself",
        )
    first = min(place[-1] for place in coordinates.values())
    kept = {tuple(place[:-1]) for place in coordinates.values() if place[-1] == first}
    return tuple(sorted(d for d, place in coordinates.items() if tuple(place[:-1]) in kept))


def one_basis(circuit: stim.Circuit) -> stim.Circuit:
    """The memory circuit without the other basis's detectors; flattened, same measurements.

    Raises:
        ExperimentError: CHIM791 when detectors have no coordinates (x, y, time).
    """
    kept, out, number = frozenset(basis_detectors(circuit)), stim.Circuit(), 0
    for one in circuit.flattened():
        if one.name == "DETECTOR":
            number += 1
            if number - 1 not in kept:
                continue
        out.append(one)
    return out


def project(model: stim.DetectorErrorModel, detectors: Iterable[int]) -> stim.DetectorErrorModel:
    """The exact model of some detectors, renumbered in their order; equal symptoms are merged.

    Args:
        model: undecomposed (`decompose_errors=False`); separators are read as nothing.
        detectors: ids that are kept.

    Raises:
        DetectorModelError: CHIM792 when an error that flips an observable has no symptom left, or
            an id that `model` lacks is kept.
    """
    kept = tuple(detectors)
    unknown = [d for d in kept if not 0 <= d < model.num_detectors]
    if unknown:
        raise DetectorModelError(
            "CHIM792",
            f"no detector {unknown[0]} in a model of {model.num_detectors}",
            hint="detectors are numbered from 0",
        )
    index = {detector: new for new, detector in enumerate(kept)}
    merged: dict[Symptom, float] = {}
    for (symptom, observables), chance in symptoms(model).items():
        left = tuple(sorted(index[d] for d in symptom if d in index))
        if observables and not left:
            raise undetectable(chance, observables)
        if left:
            key = left, observables
            merged[key] = either(merged.get(key, 0.0), chance)
    return _written(merged, model, kept)


def symptoms(model: stim.DetectorErrorModel) -> dict[Symptom, float]:
    """Probability of each set of flipped detectors and observables, equal ones merged.

    Pieces of a decomposed error are one error; a target named twice cancels; what never happens is
    no error.
    """
    merged: dict[Symptom, float] = {}
    for one in model.flattened():
        if one.type != "error" or one.args_copy()[0] == 0.0:
            continue
        detectors, observables = set[int](), set[int]()
        for target in one.targets_copy():
            if target.is_relative_detector_id():
                detectors ^= {target.val}
            elif target.is_logical_observable_id():
                observables ^= {target.val}
        key = tuple(sorted(detectors)), tuple(sorted(observables))
        merged[key] = either(merged.get(key, 0.0), one.args_copy()[0])
    return merged


def check_detectable(model: stim.DetectorErrorModel) -> None:
    """Refuses a model in which an error flips an observable and no detector.

    PyMatching leaves such errors out without a word, so every rate would come out too low.

    Raises:
        DetectorModelError: CHIM792 with the observables and the probability.
    """
    for (detectors, observables), chance in symptoms(model).items():
        if observables and not detectors:
            raise undetectable(chance, observables)


def undetectable(chance: float, observables: tuple[int, ...]) -> DetectorModelError:
    """The error of a model with an undetectable logical error."""
    names = " ".join(f"L{number}" for number in observables)
    return DetectorModelError(
        "CHIM792",
        f"error({chance:.6g}) {names} flips an observable and no detector",
        hint="declare the detectors that see it, or leave the observable out",
    )


def either(one: float, other: float) -> float:
    """Probability that exactly one of two independent events happens."""
    return one * (1 - other) + other * (1 - one)


def _written(
    merged: dict[Symptom, float], model: stim.DetectorErrorModel, kept: tuple[int, ...]
) -> stim.DetectorErrorModel:
    out = stim.DetectorErrorModel()
    for (detectors, observables), chance in sorted(merged.items()):
        targets = [
            *map(stim.target_relative_detector_id, detectors),
            *map(stim.target_logical_observable_id, observables),
        ]
        out.append("error", chance, targets)
    places = model.get_detector_coordinates()
    for new, detector in enumerate(kept):
        out.append("detector", places.get(detector, []), [stim.target_relative_detector_id(new)])
    for number in range(model.num_observables):
        out.append("logical_observable", [], [stim.target_logical_observable_id(number)])
    return out
