"""Detectors found without a declaration: stim's own sets, feedback, and that they are fixed."""

from __future__ import annotations

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.qec.detectors import annotate, find_detectors, layers, minimal_span


def declared(circuit: stim.Circuit) -> set[tuple[int, ...]]:
    """What the circuit declares, as measurement indices, read from the text alone."""
    found, count = set(), 0
    for one in circuit.flattened():
        if one.name == "DETECTOR":
            found.add(tuple(sorted(count + t.value for t in one.targets_copy())))
        count += one.num_measurements
    return found


@pytest.mark.parametrize(("distance", "rounds"), [(3, 3), (3, 10), (5, 5), (7, 7)])
@pytest.mark.parametrize("basis", ["x", "z"])
def test_stims_own_set_is_found_exactly(distance: int, rounds: int, basis: str) -> None:
    circuit = stim.Circuit.generated(
        f"surface_code:rotated_memory_{basis}",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=0.01,
    )
    found = find_detectors(circuit)
    assert set(found) == declared(circuit)
    assert len(found) == len(set(found))


def test_repetition_code_too() -> None:
    circuit = stim.Circuit.generated("repetition_code:memory", distance=5, rounds=6)
    assert set(find_detectors(circuit)) == declared(circuit)


def test_undeclared_observables_are_found_as_a_detector() -> None:
    circuit = stim.Circuit("R 0\nM 0")
    assert find_detectors(circuit) == [(0,)]
    assert find_detectors(stim.Circuit("R 0\nM 0\nOBSERVABLE_INCLUDE(0) rec[-1]")) == []


def test_the_state_before_the_circuit_is_known() -> None:
    assert find_detectors(stim.Circuit("M 0\nH 0\nM 0\nM 0")) == [(0,), (1, 2)]


def test_two_observables_that_share_a_row_cost_two() -> None:
    circuit = stim.Circuit("M 0 1 2\nOBSERVABLE_INCLUDE(0) rec[-1] rec[-2]")
    circuit.append("OBSERVABLE_INCLUDE", [stim.target_rec(-2), stim.target_rec(-3)], 1)
    assert len(find_detectors(circuit)) == 1


def test_active_reset_by_feedback() -> None:
    """Measure and flip is a reset: each second measurement is certain, the first ones are not."""
    text = "H 0\nM 0\nCX rec[-1] 0\nM 0\n" * 3
    assert find_detectors(stim.Circuit(text)) == [(1,), (3,), (5,)]


def test_feedback_in_a_surface_code_gives_as_many_detectors() -> None:
    """Ancillas reset by feedback instead of by R: the same count, each fixed, the same distance."""
    clean = stim.Circuit.generated("surface_code:rotated_memory_z", distance=3, rounds=3)
    out = stim.Circuit()
    for one in clean.flattened():
        if one.name == "DETECTOR":
            continue
        if one.name != "MR":
            out.append(one)
            continue
        qubits = [t.value for t in one.targets_copy()]
        out.append("M", qubits)
        for number, qubit in enumerate(qubits):
            out.append("CX", [stim.target_rec(number - len(qubits)), qubit])
    found = annotate(out)
    assert found.num_detectors == clean.num_detectors
    assert not found.compile_detector_sampler(seed=1).sample(256).any()


MEASURES = ["M 0", "MX 1", "MY 2", "MR 1", "MRX 0", "M 0 1 2"]
GATES = ["H 0", "H 1", "S 1", "CX 0 1", "CZ 1 2", "SWAP 0 2", "R 0", "RX 1", "RY 2"]
FEEDBACK = ["CX rec[-1] 2", "CZ rec[-1] 0", "CY rec[-2] 1", "CX rec[-3] 0"]
LINES = st.sampled_from([*MEASURES, *GATES, *FEEDBACK])


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, max_size=14))
def test_what_is_found_is_fixed_and_complete(lines: list[str]) -> None:
    """Against stim's sampler: fixed parities of samples are what was found, no more and no less.

    A parity that is not fixed agrees in 64 shots with probability 2^-63.
    """
    circuit = stim.Circuit("M 0 1 2\n" + "\n".join(lines) + "\nM 0 1 2")
    found = find_detectors(circuit)
    shots = circuit.compile_sampler(seed=5).sample(64 + circuit.num_measurements)
    for records in found:
        parity = shots[:, list(records)].sum(axis=1) % 2
        assert len(set(parity.tolist())) == 1
    differences = (shots ^ shots[0])[1:].astype(np.uint8)
    assert len(found) == circuit.num_measurements - rank(differences)


def rank(matrix: np.ndarray) -> int:
    rows = [int("".join(map(str, row)), 2) for row in matrix.tolist()]
    count = 0
    while rows:
        row = rows.pop()
        if row:
            count += 1
            low = row & -row
            rows = [other ^ row if other & low else other for other in rows]
    return count


@given(st.lists(st.integers(0, 1023), max_size=12))
def test_minimal_span_begins_and_ends_once_and_spans_the_same(rows: list[int]) -> None:
    basis = minimal_span(rows)
    assert len({row & -row for row in basis}) == len(basis)
    assert len({row.bit_length() for row in basis}) == len(basis)
    assert span(basis) == span(rows)


def span(rows: list[int]) -> set[int]:
    found = {0}
    for row in rows:
        found |= {row ^ other for other in found}
    return found


def test_layers_follow_rounds() -> None:
    circuit = stim.Circuit.generated("repetition_code:memory", distance=3, rounds=4)
    assert layers(circuit) == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3]
    assert layers(stim.Circuit("M 0\nR 0\nM 1\nR 1\nM 0")) == [0, 0, 1]
