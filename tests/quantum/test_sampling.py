from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp, Statevector, random_statevector

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum import sampling
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.samplers.choice import Method, choose
from tests.quantum.circuits import fits

STRINGS = {"ZIXYI": 0.3, "XXIIZ": 1.0, "YYZII": 2.0, "IIIII": 0.5, "ZZZZZ": 1.5, "IYIXI": -0.7}


@pytest.mark.parametrize("qubits", [1, 5, 13])
def test_samples_follow_the_state(qubits):
    """False failure below 1e-6: three χ² tests at 1e-7 each."""
    state = random_statevector(2**qubits, seed=qubits).data
    counts = sampling.sample(state, 200_000, sampling.generator(5, 0))
    assert sum(counts.values()) == 200_000
    assert list(counts) == sorted(counts)
    assert fits(counts, dict(enumerate(np.abs(state) ** 2)))


def test_a_ghz_state_is_sampled_without_rejection():
    state = np.zeros(2**18, dtype=complex)
    state[[0, -1]] = 0.5**0.5
    counts = sampling.sample(state, 100_000, sampling.generator(1))
    assert set(counts) == {0, 2**18 - 1}
    assert fits(counts, {0: 0.5, 2**18 - 1: 0.5})


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 13), st.integers(1, 400))
def test_no_amplitude_of_zero_is_ever_drawn(seed, qubits, shots):
    rng = np.random.default_rng(seed)
    state = rng.normal(size=2**qubits) * (rng.random(2**qubits) < 0.1) + 0j
    state[rng.integers(2**qubits)] = 1.0
    state /= np.linalg.norm(state)
    counts = sampling.sample(state, shots, sampling.generator(seed))
    assert all(state[index] != 0 for index in counts)
    assert sum(counts.values()) == shots


def test_equal_seeds_give_equal_counts_and_paths_differ():
    state = random_statevector(64, seed=3).data
    first = sampling.sample(state, 1000, sampling.generator(9, 0))
    assert first == sampling.sample(state, 1000, sampling.generator(9, 0))
    assert first != sampling.sample(state, 1000, sampling.generator(9, 1))


def test_single_precision_is_summed_in_double():
    state = np.full(2**20, 2.0**-10, dtype=np.complex64)
    assert sampling.expectation(state, Observable.from_json({"I" * 20: 1.0}, 20)) == 1.0


def test_expectation_agrees_with_qiskit():
    observable = Observable.from_json(STRINGS, 5)
    operator = SparsePauliOp.from_list(list(STRINGS.items()))
    for seed in range(20):
        state = random_statevector(32, seed=seed)
        expected = state.expectation_value(operator).real
        assert sampling.expectation(state.data, observable) == pytest.approx(expected, abs=1e-12)


def test_expectation_over_several_chunks_agrees_with_qiskit(monkeypatch):
    monkeypatch.setattr(sampling, "SIGN_CHUNK", 4)
    monkeypatch.setattr(sampling, "SIGN_ROWS", 2)
    state = random_statevector(32, seed=9)
    expected = state.expectation_value(SparsePauliOp.from_list(list(STRINGS.items()))).real
    found = sampling.expectation(state.data, Observable.from_json(STRINGS, 5))
    assert found == pytest.approx(expected, abs=1e-12)


def test_probabilities_are_those_of_the_measured_qubits():
    state = random_statevector(16, seed=4)
    found = sampling.probabilities(state.data, {0: 3, 2: 1})
    expected = state.probabilities([1, 3])
    for i in range(4):
        assert found[(i & 1) << 2 | i >> 1] == pytest.approx(expected[i], abs=1e-12)


def test_probabilities_of_all_qubits_in_any_order():
    state = Statevector.from_label("01")
    assert sampling.probabilities(state.data, {0: 0, 1: 1}) == {1: 1.0}
    assert sampling.probabilities(state.data, {0: 1, 1: 0}) == {2: 1.0}


def test_negligible_probabilities_are_dropped():
    state = np.array([1.0, 1e-7], dtype=complex)
    assert list(sampling.probabilities(state, {0: 0})) == [0]


def test_too_many_outcomes_are_refused():
    state = np.full(2**21, 2.0**-10.5, dtype=np.complex64)
    with pytest.raises(KernelError) as caught:
        sampling.probabilities(state, {i: i for i in range(21)})
    assert caught.value.code == "MAML904"


def test_bits_never_written_are_zero():
    assert sampling.read_bits({0b10: 3, 0b00: 2}, {4: 1}) == {1 << 4: 3, 0: 2}


def test_bits_of_wide_indices_are_read_too():
    wide = 1 << 80 | 1
    assert sampling.read_bits({wide: 2, 1: 1}, {0: 80, 1: 0}) == {0b11: 2, 0b10: 1}


@given(
    st.dictionaries(st.integers(0, 2**61 - 1), st.integers(1, 9), min_size=1),
    st.dictionaries(st.integers(0, 61), st.integers(0, 60), max_size=8),
)
def test_bits_are_read_one_by_one(outcomes, measured):
    expected: dict[int, int] = {}
    for index, count in outcomes.items():
        number = sum(1 << bit for bit, qubit in measured.items() if index >> qubit & 1)
        expected[number] = expected.get(number, 0) + count
    assert sampling.read_bits(outcomes, measured) == expected


@pytest.mark.parametrize("scale", [0.5, 1.01, np.nan, np.inf, 0.0])
def test_nothing_is_normalised_in_silence(scale):
    state = random_statevector(8, seed=1).data * scale
    observable = Observable.from_json({"ZZZ": 1.0}, 3)
    for ask in (
        lambda: sampling.sample(state, 10, sampling.generator(1)),
        lambda: sampling.sample(state, 10, sampling.generator(1), maximum=0.9),
        lambda: sampling.probabilities(state, {0: 0, 1: 1, 2: 2}),
        lambda: sampling.probabilities(state, {0: 1}),
        lambda: sampling.expectation(state, observable),
    ):
        with pytest.raises(KernelError) as caught:
            ask()
        assert caught.value.code == "CHIM778"


def test_a_known_maximum_lets_rejection_draw_the_same_distribution():
    """One χ² test: false failure below 1e-6."""
    state = random_statevector(2**16, seed=2).data
    top = float((np.abs(state) ** 2).max() * (1 + 1e-12))
    assert choose(2**16, 1000, top) is Method.REJECTION
    counts = sampling.sample(state, 1000, sampling.generator(1), maximum=top)
    assert list(counts) == sorted(counts)
    assert counts != sampling.sample(state, 1000, sampling.generator(1))
    low = {bit: sum(n for i, n in counts.items() if i & 7 == bit) for bit in range(8)}
    chances = (np.abs(state) ** 2).reshape(-1, 8).sum(axis=0)
    assert fits(low, dict(enumerate(chances)))


def test_probabilities_that_somebody_gave_are_drawn_from():
    """One χ² test: false failure below 1e-6."""
    counts = sampling.draw([0.5, 0.0, 0.2, 0.3], 100_000, sampling.generator(1))
    assert fits(counts, {0: 0.5, 2: 0.2, 3: 0.3})
    assert 1 not in counts


@pytest.mark.parametrize(
    "chances",
    [[0.5, 0.4], [0.5, 0.6], [1.5, -0.5], [np.nan, 1.0], [np.inf], [], [0.0, 0.0], [1.0 + 1e-5]],
)
def test_probabilities_that_do_not_sum_to_1_are_505(chances):
    with pytest.raises(KernelError) as caught:
        sampling.draw(chances, 10, sampling.generator(1))
    assert caught.value.code == "MAML505"
