"""Edges of a matching graph on a grid, as a convolution sees them.

Detectors lie at their coordinates. An edge belongs to the earlier of its ends and to a kind: how
far away its other end is, or that it leads to the boundary. Kinds are the same everywhere in a
code and, away from d = 2, in codes of all sizes, so a network that gives each detector one
probability for each kind fits models that it was not trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import stim

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.qec.projection import Symptom, check_detectable, symptoms

Kind = tuple[int, int, int, int]
"""Steps in time, y and x to the other end; then the number among parallel edges. An edge to the
boundary has no steps, and −1 or −2 for one that flips no observable or some."""
Ids = npt.NDArray[np.int64]
_AXES = 3
_PAIR = 2


class PredecoderError(ChimeraError):
    """CHIM799: weights that do not fit, or a model that has no grid."""


@dataclass(frozen=True, slots=True)
class EdgeGrid:
    """A graph on its grid.

    Attributes:
        shape: sites in time, y and x.
        sites: int64[detectors], the site of each.
        kinds: kinds of edges that there are, ascending.
        anchors: int64[edges], the site to which each belongs.
        kind_of: int64[edges], index into `kinds`.
        ends: int64[edges, 2], detectors; the number of detectors stands for the boundary.
        flips: uint8[edges, observables].
        model: the same edges, one error each in their order.
    """

    shape: tuple[int, int, int]
    sites: Ids
    kinds: tuple[Kind, ...]
    anchors: Ids
    kind_of: Ids
    ends: Ids
    flips: npt.NDArray[np.uint8]
    model: stim.DetectorErrorModel

    @classmethod
    def of(cls, model: stim.DetectorErrorModel) -> EdgeGrid:
        """The grid of a model of one basis.

        Raises:
            DetectorModelError: CHIM792 for an undetectable error.
            PredecoderError: CHIM799 for detectors without coordinates or at one place, or errors
                of more than two detectors.
        """
        check_detectable(model)
        cells, shape = _cells(model)
        edges = [one for one in sorted(symptoms(model).items()) if one[0][0] and one[1] > 0]
        for (detectors, _), chance in edges:
            if len(detectors) > _PAIR:
                raise PredecoderError(
                    "CHIM799",
                    f"error({chance:.6g}) flips {len(detectors)} detectors and is no edge",
                    hint="project the undecomposed model on one basis",
                )
        named = [_kind(one, cells) for one, _ in edges]
        ranked = _ranked(named)
        kinds = tuple(sorted({kind for _, kind in ranked}))
        index = {kind: number for number, kind in enumerate(kinds)}
        flips = np.zeros((len(edges), model.num_observables), np.uint8)
        for number, ((_, observables), _) in enumerate(edges):
            flips[number, list(observables)] = 1
        none = model.num_detectors
        ends = [(*one[0], none)[:_PAIR] for one, _ in edges]
        return cls(
            shape=shape,
            sites=np.ravel_multi_index(tuple(cells.T), shape).astype(np.int64),
            kinds=kinds,
            anchors=np.array(
                [np.ravel_multi_index(tuple(cells[a]), shape) for a, _ in ranked], np.int64
            ),
            kind_of=np.array([index[kind] for _, kind in ranked], np.int64),
            ends=np.array(ends, np.int64).reshape(-1, _PAIR),
            flips=flips,
            model=_written(edges, model),
        )


def _cells(model: stim.DetectorErrorModel) -> tuple[Ids, tuple[int, int, int]]:
    """int64[detectors, 3]: where each lies in time, y and x; and how large the grid is."""
    places: Mapping[int, Sequence[float]] = model.get_detector_coordinates()
    count = model.num_detectors
    if not count or any(not places.get(number) for number in range(count)):
        raise PredecoderError(
            "CHIM799",
            "detectors without coordinates have no grid",
            hint="coordinates (x, y, time), as in stim's generated circuits",
        )
    raw = np.zeros((count, _AXES))
    for number in range(count):
        place = places[number][-_AXES:][::-1]
        raw[number, : len(place)] = place
    cells = np.zeros((count, _AXES), np.int64)
    for axis in range(_AXES):
        values = np.unique(raw[:, axis])
        step = float(np.diff(values).min()) if len(values) > 1 else 1.0
        cells[:, axis] = np.rint((raw[:, axis] - values[0]) / step)
    if len(np.unique(cells, axis=0)) != count:
        raise PredecoderError(
            "CHIM799", "two detectors have one place", hint="project the model on one basis"
        )
    time, y, x = (int(most) + 1 for most in cells.max(axis=0))
    return cells, (time, y, x)


def _kind(symptom: Symptom, cells: Ids) -> tuple[int, Kind]:
    """The detector to which an edge belongs, and its kind, before parallel edges are told apart."""
    detectors, observables = symptom
    if len(detectors) == 1:
        return detectors[0], (0, 0, 0, -2 if observables else -1)
    first, second = sorted(detectors, key=lambda d: tuple(cells[d]))
    time, y, x = (int(step) for step in cells[second] - cells[first])
    return first, (time, y, x, 0)


def _ranked(named: list[tuple[int, Kind]]) -> list[tuple[int, Kind]]:
    order = sorted(range(len(named)), key=lambda n: named[n])
    out = list(named)
    for (anchor, kind), same in groupby(order, key=lambda n: named[n]):
        for rank, number in enumerate(same):
            out[number] = anchor, (*kind[:3], kind[3] + rank)
    return out


def _written(
    edges: list[tuple[Symptom, float]], model: stim.DetectorErrorModel
) -> stim.DetectorErrorModel:
    out = stim.DetectorErrorModel()
    for (detectors, observables), chance in edges:
        targets = [
            *map(stim.target_relative_detector_id, detectors),
            *map(stim.target_logical_observable_id, observables),
        ]
        out.append("error", chance, targets)
    for number in range(model.num_detectors):
        out.append("detector", [], [stim.target_relative_detector_id(number)])
    for number in range(model.num_observables):
        out.append("logical_observable", [], [stim.target_logical_observable_id(number)])
    return out
