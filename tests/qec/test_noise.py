"""Noise models against stim's own generator and against models written from their definition."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
import stim
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.qec.circuits import clean_memory, memory_circuit
from chimera_pipelines.qec.errors import NoiseModelError
from chimera_pipelines.qec.noise import MODELS, add_noise, noise_model, probability, rates_at
from chimera_pipelines.qec.projection import Symptom, basis_detectors, either, symptoms

P = 0.004
WRONG = st.one_of(
    st.floats(max_value=0, exclude_max=True, allow_nan=False),
    st.floats(min_value=1, exclude_min=True, allow_nan=False),
    st.just(math.nan),
    st.booleans(),
    st.text(max_size=5),
    st.none(),
    st.integers(min_value=2) | st.integers(max_value=-1),
    st.sampled_from([10**400, -(10**400)]),
)


def close(one: dict[Symptom, float], other: dict[Symptom, float]) -> bool:
    return one.keys() == other.keys() and all(abs(one[k] - other[k]) < 1e-12 for k in one)


@given(WRONG, st.sampled_from(sorted(MODELS)))
def test_what_is_no_probability_is_refused_in_every_model(value: object, name: str) -> None:
    with pytest.raises(NoiseModelError) as caught:
        memory_circuit(3, 1, noise=name, physical=value)  # type: ignore[arg-type]
    assert caught.value.code == "CHIM790"
    assert repr(value)[:60] in caught.value.message


@given(st.floats(0, 1))
def test_a_probability_is_taken_as_it_is(value: float) -> None:
    assert probability("rate", value) == value


@pytest.mark.parametrize("name", ["", "depolarizing", "Uniform", None, 3])
def test_an_unknown_model_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(NoiseModelError, match="unknown noise model") as caught:
        noise_model(name)
    assert caught.value.hint == f"one of {', '.join(MODELS)}"


def test_rates_that_follow_from_the_physical_one_are_checked_too() -> None:
    with pytest.raises(NoiseModelError, match=r"'measure' of .* 'si1000' would be 1\.5"):
        rates_at(noise_model("si1000"), 0.3)
    with pytest.raises(NoiseModelError, match="'one' of noise model 'uniform'"):
        rates_at(noise_model("uniform"), 0.8)


@pytest.mark.parametrize("basis", ["x", "z"])
@pytest.mark.parametrize(("distance", "rounds"), [(3, 1), (3, 3), (5, 2)])
def test_uniform_is_stims_generator(basis: str, distance: int, rounds: int) -> None:
    ours = memory_circuit(distance, rounds, noise="uniform", physical=P, basis=basis)
    theirs = stim.Circuit.generated(
        f"surface_code:rotated_memory_{basis}",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=P,
        before_round_data_depolarization=P,
        before_measure_flip_probability=P,
        after_reset_flip_probability=P,
    )
    assert close(symptoms(ours.detector_error_model()), symptoms(theirs.detector_error_model()))


def by_definition(
    distance: int, rounds: int, basis: str, data: float, syndrome: float
) -> dict[Symptom, float]:
    """Data flips once a round, syndrome bits flip once a round; a check sees its corners.

    Detectors are named (x, y, layer). Data qubits lie at odd places, and those of the logical
    operator on the first row (z) or column (x).
    """
    circuit = clean_memory(distance, rounds, basis=basis)
    held = {tuple(map(int, p[:2])) for p in circuit.get_detector_coordinates().values() if not p[2]}
    assert len(held) == (distance**2 - 1) // 2
    found: dict[Symptom, float] = defaultdict(float)
    odd = range(1, 2 * distance, 2)
    for layer in range(rounds):
        for x in odd:
            for y in odd:
                corners = [(x + i, y + j) for i in (-1, 1) for j in (-1, 1)]
                seen = tuple(sorted((*c, layer) for c in corners if c in held))
                flips = (0,) if (y if basis == "z" else x) == 1 else ()
                found[seen, flips] = either(found[seen, flips], data)
        for place in held:
            seen = tuple(sorted(((*place, layer), (*place, layer + 1))))
            found[seen, ()] = either(found[seen, ()], syndrome)
    return {key: chance for key, chance in found.items() if chance}


@pytest.mark.parametrize("basis", ["x", "z"])
@pytest.mark.parametrize(
    ("name", "distance", "rounds", "syndrome"),
    [("code_capacity", 5, 1, 0.0), ("phenomenological", 3, 3, P), ("phenomenological", 5, 2, P)],
)
def test_simple_models_are_their_definition(
    basis: str, name: str, distance: int, rounds: int, syndrome: float
) -> None:
    circuit = memory_circuit(distance, rounds, noise=name, physical=P, basis=basis)
    names = {d: tuple(map(int, p)) for d, p in circuit.get_detector_coordinates().items()}
    kept = frozenset(basis_detectors(circuit))
    ours: dict[Symptom, float] = defaultdict(float)
    for (detectors, flips), chance in symptoms(circuit.detector_error_model()).items():
        seen = tuple(sorted(names[d] for d in detectors if d in kept))
        if seen:  # syndrome flips of the other basis show nothing
            ours[seen, flips] = either(ours[seen, flips], chance)
    assert close(ours, by_definition(distance, rounds, basis, P, syndrome))


def errors_by_layer(circuit: stim.Circuit) -> list[list[tuple[str, tuple[int, ...], float]]]:
    layers: list[list[tuple[str, tuple[int, ...], float]]] = [[]]
    for one in circuit.flattened():
        if one.name == "TICK":
            layers.append([])
        elif one.name in ("X_ERROR", "Z_ERROR", "DEPOLARIZE1", "DEPOLARIZE2"):
            qubits = tuple(t.value for t in one.targets_copy())
            layers[-1].append((one.name, qubits, one.gate_args_copy()[0]))
    return layers


@pytest.mark.parametrize("basis", ["x", "z"])
def test_in_sd6_every_qubit_errs_once_in_every_layer_but_the_last(basis: str) -> None:
    circuit = memory_circuit(3, 3, noise="sd6", physical=P, basis=basis)
    layers = errors_by_layer(circuit)
    assert len(layers) == 3 * 6 + 2  # six a round, a last reset, the data's measurement
    for layer in layers[:-1]:
        assert sorted(q for _, qubits, _ in layer for q in qubits) == sorted(
            {q for _, qubits, _ in layers[0] for q in qubits}
        )
        assert {rate for _, _, rate in layer} == {P}


def test_si1000_has_the_published_rates() -> None:
    circuit = memory_circuit(3, 3, noise="si1000", physical=0.001)
    rates: dict[str, set[float]] = defaultdict(set)
    before = ""
    for one in circuit.flattened():
        if one.name in ("DEPOLARIZE1", "DEPOLARIZE2"):
            rates[one.name].add(round(one.gate_args_copy()[0], 9))
        elif one.name == "X_ERROR":
            rates["reset" if before in ("R", "MR") else "measure"].add(one.gate_args_copy()[0])
        before = one.name
    assert rates["DEPOLARIZE2"] == {0.001}
    assert rates["DEPOLARIZE1"] == {0.0001, 0.002}  # one-qubit gates and idling; during readout
    assert rates["reset"] <= {0.002, 0.005}
    assert 0.002 in rates["reset"]
    assert 0.005 in rates["measure"] | rates["reset"]


def test_no_error_at_rate_zero() -> None:
    for name, model in MODELS.items():
        circuit = memory_circuit(3, 1 if model.single_round else 2, noise=name, physical=0)
        assert not symptoms(circuit.detector_error_model())


def test_an_operation_without_a_rate_is_refused() -> None:
    with pytest.raises(NoiseModelError, match="'MPP'"):
        add_noise(stim.Circuit("R 0 1\nTICK\nMPP X0*X1\nTICK\nM 0 1"), "uniform", P)
