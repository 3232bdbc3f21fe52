"""Memory experiments of the rotated surface code: prepare, hold for some rounds, measure.

stim writes the clean circuit; `noise` puts the errors in. Basis `z` holds a logical |0>, whose
errors the Z checks see, basis `x` a logical |+>.
"""

from __future__ import annotations

import stim

from chimera_pipelines.qec.errors import ExperimentError
from chimera_pipelines.qec.noise import add_noise, noise_model, rates_at

MAX_DISTANCE = 99
MAX_ROUNDS = 100_000
BASES = ("x", "z")


def memory_circuit(
    distance: int, rounds: int, *, noise: str, physical: float, basis: str = "z"
) -> stim.Circuit:
    """A rotated surface-code memory with the errors of a named noise model.

    Raises:
        NoiseModelError: CHIM790 when model or rate are none.
        ExperimentError: CHIM791 when distance, rounds or basis are none.
    """
    model = noise_model(noise)
    rates_at(model, physical)
    clean = clean_memory(distance, rounds, basis=basis)
    if model.single_round and rounds != 1:
        raise ExperimentError(
            "CHIM791",
            f"noise model {noise!r} has perfect syndromes and so one round, not {rounds!r}",
            hint="leave rounds out, or choose 'phenomenological'",
        )
    return add_noise(six_layers(clean) if model.cycle == "six" else clean, noise, physical)


def clean_memory(distance: int, rounds: int, *, basis: str = "z") -> stim.Circuit:
    """The same without errors, as stim generates it.

    Raises:
        ExperimentError: CHIM791 when distance, rounds or basis are none.
    """
    _whole("distance", distance, 2, MAX_DISTANCE)
    _whole("rounds", rounds, 1, MAX_ROUNDS)
    if basis not in BASES:
        raise ExperimentError("CHIM791", f"unknown basis {basis!r}", hint="'x' or 'z'")
    task = f"surface_code:rotated_memory_{basis}"
    return stim.Circuit.generated(task, distance=distance, rounds=rounds)


def six_layers(clean: stim.Circuit) -> stim.Circuit:
    """The textbook cycle of six layers from stim's of seven, flattened.

    Ancillas between Hadamards are prepared and measured in the X basis instead; measure-and-reset
    becomes a measurement, and a reset in the layer behind it.
    """
    flat = clean.flattened()
    turned = {t.value for one in flat if one.name == "H" for t in one.targets_copy()}
    out, pending, skip = stim.Circuit(), list[int](), False
    for one in flat:
        qubits = [t.value for t in one.targets_copy() if t.is_qubit_target]
        if one.name == "H":
            skip = True  # and the TICK that ends its layer
        elif one.name == "TICK" and skip:
            skip = False
        elif one.name in ("DETECTOR", "SHIFT_COORDS", "OBSERVABLE_INCLUDE", "QUBIT_COORDS"):
            out.append(one)
        else:
            if pending:
                out.append("TICK")
                _each(out, "R", pending, turned)
                pending = []
            if one.name in ("R", "MR"):
                _each(out, one.name[0], qubits, turned)
                pending = qubits if one.name == "MR" else []
            else:
                out.append(one)
    return out


def _each(out: stim.Circuit, name: str, qubits: list[int], turned: set[int]) -> None:
    for qubit in qubits:
        out.append(name + "X" if qubit in turned else name, [qubit])


def _whole(what: str, value: object, least: int, most: int) -> None:
    sound = isinstance(value, int) and not isinstance(value, bool)
    if not sound or not least <= value <= most:  # type: ignore[operator]
        raise ExperimentError(
            "CHIM791", f"{what} {value!r} is out of range", hint=f"whole, {least} to {most}"
        )
