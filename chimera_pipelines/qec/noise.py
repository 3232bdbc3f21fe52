"""Named noise models: which operation of a circuit errs how, from one physical error rate.

A model is a table of rates. `add_noise` goes through a clean circuit layer by layer (a layer ends
at a TICK) and puts each layer's errors around it: flips of data and of measurements in front,
everything else behind. A round begins with the first layer of gates behind a reset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal

import stim

from chimera_pipelines.qec.errors import NoiseModelError

_ONE: Final = frozenset(
    {"C_XYZ", "C_ZYX", "H", "S", "SQRT_X", "SQRT_X_DAG", "S_DAG", "X", "Y", "Z"}
)
_TWO: Final = frozenset({"CX", "CY", "CZ", "ISWAP", "SWAP"})
_RESETS: Final = {"R": "X_ERROR", "RX": "Z_ERROR", "MR": "X_ERROR"}
_MEASURES: Final = {"M": "X_ERROR", "MX": "Z_ERROR", "MR": "X_ERROR"}
_NOTES: Final = frozenset({"DETECTOR", "OBSERVABLE_INCLUDE", "QUBIT_COORDS", "SHIFT_COORDS"})
# Above these a depolarizing channel mixes more than completely; stim refuses to analyse it.
_LARGEST: Final = {
    "one": 3 / 4,
    "two": 15 / 16,
    "idle": 3 / 4,
    "readout_idle": 3 / 4,
    "data": 3 / 4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Error rates of operations; 0 where a model has no such error.

    Attributes:
        one: depolarizing behind a one-qubit gate.
        two: depolarizing behind a two-qubit gate.
        reset: flip behind a reset.
        measure: flip in front of a measurement.
        final: flip in front of the last measurement, that of the data qubits.
        idle: depolarizing of each qubit that a layer leaves alone.
        readout_idle: more of it, in layers that measure or reset.
        data: depolarizing of data qubits when a round begins.
        flip: flip of data qubits, in the basis that is measured, when a round begins.
    """

    one: float = 0.0
    two: float = 0.0
    reset: float = 0.0
    measure: float = 0.0
    final: float = 0.0
    idle: float = 0.0
    readout_idle: float = 0.0
    data: float = 0.0
    flip: float = 0.0


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """A named model.

    Attributes:
        name: how documents and rows call it.
        summary: one sentence that says what errs.
        rates: the rates at a physical error rate.
        cycle: `generated` as stim writes it (Hadamards, measure-and-reset in one layer), `six` for
            the six-layer cycle: reset, four CX, measure.
        single_round: data err once and syndromes are perfect, so there is one round.
        threshold: physical error rates from which the logical one grows with the distance, by
            decoder; measured (docs/qec.md), those of the first two models published.
    """

    name: str
    summary: str
    rates: Callable[[float], Rates]
    cycle: Literal["generated", "six"]
    single_round: bool
    threshold: Mapping[str, float]


MODELS: Final[Mapping[str, NoiseModel]] = {
    model.name: model
    for model in (
        NoiseModel(
            "code_capacity",
            "data qubits flip once, nothing else errs",
            lambda p: Rates(flip=p),
            "generated",
            True,
            {"pymatching": 0.103},
        ),
        NoiseModel(
            "phenomenological",
            "data qubits and syndrome bits flip once a round, gates do not err",
            lambda p: Rates(flip=p, measure=p),
            "generated",
            False,
            {"pymatching": 0.029},
        ),
        NoiseModel(
            "uniform",
            "stim's four knobs: gates and, once a round, data depolarize, measurements and resets"
            " flip, all at the same rate",
            lambda p: Rates(one=p, two=p, reset=p, measure=p, final=p, data=p),
            "generated",
            False,
            {"pymatching": 0.008, "pymatching_correlated": 0.009},
        ),
        NoiseModel(
            "sd6",
            "standard depolarizing in six layers: every gate, idle place, measurement and reset at"
            " the same rate",
            lambda p: Rates(two=p, one=p, reset=p, measure=p, final=p, idle=p),
            "six",
            False,
            {"pymatching": 0.007, "pymatching_correlated": 0.008},
        ),
        NoiseModel(
            "si1000",
            "superconducting-inspired, 1000 ns a round: CX p, one-qubit gates and idling p/10,"
            " resets and idling during readout 2p, measurements 5p",
            lambda p: Rates(
                one=p / 10,
                two=p,
                reset=2 * p,
                measure=5 * p,
                final=5 * p,
                idle=p / 10,
                readout_idle=2 * p,
            ),
            "generated",
            False,
            {"pymatching": 0.005, "pymatching_correlated": 0.006},
        ),
    )
}


def noise_model(name: str) -> NoiseModel:
    """The model of this name.

    Raises:
        NoiseModelError: CHIM790 for any other name.
    """
    found = MODELS.get(name) if isinstance(name, str) else None
    if found is None:
        raise NoiseModelError(
            "CHIM790", f"unknown noise model {name!r}", hint=f"one of {', '.join(MODELS)}"
        )
    return found


def rates_at(model: NoiseModel, physical: float) -> Rates:
    """The model's rates at a physical error rate, each of them checked.

    Raises:
        NoiseModelError: CHIM790 when the rate, or one that follows from it, is no probability or
            depolarizes more than completely.
    """
    rates = model.rates(probability("physical error rate", physical))
    for field in fields(rates):
        rate, largest = getattr(rates, field.name), _LARGEST.get(field.name, 1.0)
        if rate > largest:
            raise NoiseModelError(
                "CHIM790",
                f"{field.name!r} of noise model {model.name!r} would be {rate!r} at {physical!r},"
                f" more than {largest!r}",
                hint="choose a smaller physical error rate",
            )
    return rates


def probability(what: str, value: object) -> float:
    """A number from 0 to 1 as it is.

    Raises:
        NoiseModelError: CHIM790 for anything else: text, booleans, NaN, below 0, above 1.
    """
    sound = isinstance(value, int | float) and not isinstance(value, bool)
    if not sound or not 0 <= value <= 1:  # type: ignore[operator]
        raise NoiseModelError(
            "CHIM790", f"{what} {value!r:.60} is no probability", hint="a number from 0 to 1"
        )
    return float(value)  # type: ignore[arg-type]


def add_noise(clean: stim.Circuit, name: str, physical: float) -> stim.Circuit:
    """A clean memory circuit with the errors of the named model, flattened.

    The data qubits are those of the last measurement, whose basis says which flips matter.

    Raises:
        NoiseModelError: CHIM790 for an unknown model, a rate that is no probability, or an
            operation that the models say nothing about.
    """
    rates = rates_at(noise_model(name), physical)
    return _Noise(clean.flattened(), rates).circuit()


class _Noise:
    """One circuit on its way to a noisy one."""

    def __init__(self, clean: stim.Circuit, rates: Rates) -> None:
        self._rates = rates
        self._layers = list(_layers(clean))
        last = [one for one in clean if one.name in ("M", "MX")][-1:]
        self._data = tuple(sorted({q for one in last for q in _qubits(one)}))
        self._flip = _MEASURES[last[0].name] if last else "X_ERROR"
        works = (one for one in clean if one.name not in _NOTES and one.name != "TICK")
        self._all = frozenset(q for one in works for q in _qubits(one))
        self._out = stim.Circuit()

    def circuit(self) -> stim.Circuit:
        after_reset = False
        for number, layer in enumerate(self._layers):
            if number:
                self._out.append("TICK")
            names = {one.name for one in layer} - _NOTES
            moves = bool(names & (_RESETS.keys() | _MEASURES.keys()))
            if after_reset and names and not moves:
                self._error("DEPOLARIZE1", self._data, self._rates.data)
                self._error(self._flip, self._data, self._rates.flip)
            self._layer(layer, moves=moves)
            if names:
                after_reset = bool(names & _RESETS.keys())
        return self._out

    def _layer(self, layer: list[stim.CircuitInstruction], *, moves: bool) -> None:
        rates, touched = self._rates, set[int]()
        for one in layer:
            if one.name in _MEASURES:
                final = one.name != "MR" and set(_qubits(one)) <= set(self._data)
                rate = rates.final if final else rates.measure
                self._error(_MEASURES[one.name], _qubits(one), rate)
        for one in layer:
            self._out.append(one)
            if one.name not in _NOTES:
                touched.update(_qubits(one))
        for one in layer:
            self._behind(one)
        idle = sorted(self._all - touched) if touched else ()
        self._error("DEPOLARIZE1", idle, rates.idle)
        self._error("DEPOLARIZE1", idle, rates.readout_idle if moves else 0.0)

    def _behind(self, one: stim.CircuitInstruction) -> None:
        if one.name in _TWO:
            self._error("DEPOLARIZE2", _qubits(one), self._rates.two)
        elif one.name in _ONE:
            self._error("DEPOLARIZE1", _qubits(one), self._rates.one)
        elif one.name in _RESETS:
            self._error(_RESETS[one.name], _qubits(one), self._rates.reset)
        elif one.name not in _NOTES and one.name not in _MEASURES:
            raise NoiseModelError(
                "CHIM790",
                f"noise models say nothing about the operation {one.name!r}",
                hint="give a clean circuit of Clifford gates, resets and measurements",
            )

    def _error(self, name: str, qubits: Iterable[int], rate: float) -> None:
        found = list(qubits)
        if found and rate > 0:
            self._out.append(name, found, rate)


def _layers(circuit: stim.Circuit) -> Iterator[list[stim.CircuitInstruction]]:
    layer: list[stim.CircuitInstruction] = []
    for one in circuit:
        if one.name == "TICK":
            yield layer
            layer = []
            continue
        ancillas = any(before.name in _RESETS for before in layer)
        if one.name in ("M", "MX") and ancillas:
            yield layer  # data are read behind the last ancillas, and idle in their layer
            layer = []
        layer.append(one)
    yield layer


def _qubits(one: stim.CircuitInstruction) -> list[int]:
    return [t.value for t in one.targets_copy() if t.is_qubit_target]
