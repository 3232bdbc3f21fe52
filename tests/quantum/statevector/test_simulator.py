from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.statevector import hamiltonian as hamiltonians
from chimera_pipelines.quantum.statevector.builder import Builder
from chimera_pipelines.quantum.statevector.hamiltonian import Hamiltonian, operator_bytes
from chimera_pipelines.quantum.statevector.simulator import Simulator
from chimera_pipelines.quantum.statevector.steps import Turn, parameter
from chimera_pipelines.quantum.statevector.tables import table_bytes
from tests.quantum.statevector import dense

WIDTH = 6  # one block of five qubits and one of one
PARAMETERS = 4


@st.composite
def gates(draw):
    """(builder method, its arguments, the dense matrix as a function of the parameters)."""
    qubits = draw(st.permutations(range(WIDTH)))
    index, scale = draw(st.integers(0, PARAMETERS - 1)), draw(st.floats(-2, 2))
    turn = Turn(draw(st.floats(-3, 3)), ((index, scale),) if draw(st.booleans()) else ())
    kind = draw(st.sampled_from(["rx", "ry", "rz", "rotation", "flip", "h", "cp"]))
    if kind == "rotation":
        string = draw(st.text("IXYZ", min_size=WIDTH, max_size=WIDTH))
        return kind, (string, turn)
    if kind in {"rx", "ry", "rz"}:
        return kind, (qubits[0], turn)
    if kind == "h":
        return kind, (qubits[0],)
    size = draw(st.integers(1, 4))
    return kind, (tuple(qubits[:size]), turn)


def built(items):
    builder = Builder(WIDTH, PARAMETERS)
    for kind, given_ in items:
        if kind == "rotation":
            x = sum(1 << q for q, p in enumerate(reversed(given_[0])) if p in "XY")
            z = sum(1 << q for q, p in enumerate(reversed(given_[0])) if p in "ZY")
            builder.rotation(x, z, given_[1])
        elif kind == "flip":
            builder.x(given_[0][0], given_[0][1:])
        else:
            getattr(builder, kind)(*given_)
    return builder.program()


def angle(turn, theta):
    return turn.offset + sum(scale * theta[i] for i, scale in turn.terms)


def dense_state(items, theta):
    state = np.zeros(1 << WIDTH, dtype=complex)
    state[0] = 1
    for kind, given_ in items:
        if kind in {"rx", "ry", "rz"}:
            string = dense.on(kind[1].upper(), given_[0], WIDTH)
            matrix = dense.turned(string, angle(given_[1], theta))
        elif kind == "rotation":
            matrix = dense.turned(given_[0], angle(given_[1], theta))
        elif kind == "h":
            x, z = (dense.pauli(dense.on(p, given_[0], WIDTH)) for p in "XZ")
            matrix = (x + z) / np.sqrt(2)
        elif kind == "flip":
            matrix = dense.flipped(WIDTH, given_[0][1:], given_[0][0])
        else:
            ones = [all(i >> q & 1 for q in given_[0]) for i in range(1 << WIDTH)]
            matrix = np.diag(np.where(ones, np.exp(1j * angle(given_[1], theta)), 1))
        state = matrix @ state
    return state


@st.composite
def observables(draw):
    names = draw(st.lists(st.text("IXYZ", min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=6))
    return {name: draw(st.floats(-2, 2)) for name in names}


def rows(count):
    return np.random.default_rng(count).uniform(-3, 3, (count, PARAMETERS))


@settings(max_examples=40, deadline=None)
@given(st.lists(gates(), max_size=12), observables())
def test_states_and_energies_of_a_batch_are_those_of_dense_matrices(items, strings):
    simulator = Simulator(built(items))
    theta = rows(3)
    states = simulator.run(simulator.parameters(theta))
    hamiltonian = Hamiltonian(Observable.from_json(strings, WIDTH), dtype=simulator.dtype)
    for row, state, energy in zip(theta, states, hamiltonian.expectation(states), strict=True):
        expected = dense_state(items, row)
        assert np.abs(state.numpy() - expected).max() < 1e-12
        value = (expected.conj() @ dense.operator(strings) @ expected).real
        assert abs(float(energy) - value) < 1e-11


@settings(max_examples=40, deadline=None)
@given(st.lists(gates(), max_size=12), observables())
def test_the_adjoint_gradient_is_that_of_autograd_and_of_differences(items, strings):
    simulator = Simulator(built([("ry", (0, parameter(0))), *items]))
    hamiltonian = Hamiltonian(Observable.from_json(strings, WIDTH), dtype=simulator.dtype)
    theta = simulator.parameters(rows(3)).requires_grad_()
    expected = simulator.energies(theta, hamiltonian)
    expected.sum().backward()
    energies, gradient = simulator.gradient(theta.detach(), hamiltonian)
    assert torch.allclose(energies, expected.detach(), atol=1e-12)
    assert torch.allclose(gradient, theta.grad, atol=1e-11)
    h = 1e-5
    for index in range(PARAMETERS):
        step = torch.zeros_like(theta)
        step[:, index] = h
        plus, minus = (simulator.energies((theta + s).detach(), hamiltonian) for s in (step, -step))
        assert torch.allclose(gradient[:, index], (plus - minus) / (2 * h), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.lists(gates().filter(lambda g: g[0] != "cp" or len(g[1][0]) < 3), max_size=10))
def test_the_parameter_shift_rule_agrees_with_the_adjoint(items):
    simulator = Simulator(built(items))
    strings = {"XZIIYI": 0.5, "ZIIIII": -1.0}
    hamiltonian = Hamiltonian(Observable.from_json(strings, WIDTH), dtype=simulator.dtype)
    theta = simulator.parameters(rows(1))
    shifted = simulator.parameter_shift(
        theta, lambda angles: hamiltonian.expectation(simulator.forward(angles))
    )
    assert torch.allclose(shifted, simulator.gradient(theta, hamiltonian)[1][0], atol=1e-11)


def test_single_precision_agrees_with_double_to_a_millionth():
    builder = Builder(10, 40)
    for layer in range(2):
        for q in range(10):
            builder.ry(q, parameter(20 * layer + q))
            builder.rz(q, parameter(20 * layer + 10 + q))
        for q in range(9):
            builder.x(q + 1, [q])
    strings = {"ZZ" + "I" * 8: -1.0, "I" * 9 + "X": 0.7, "YIIIIIIIIY": 0.3}
    observable = Observable.from_json(strings, 10)
    values = np.random.default_rng(5).uniform(-3, 3, (2, 40))
    found = []
    for precision in ("single", "double"):
        simulator = Simulator(builder.program(), precision=precision)
        hamiltonian = Hamiltonian(observable, dtype=simulator.dtype)
        found.append(simulator.gradient(simulator.parameters(values), hamiltonian))
    assert torch.allclose(found[0][0], found[1][0], atol=2e-6)
    assert torch.allclose(found[0][1], found[1][1], atol=2e-6)


def test_one_set_of_parameters_serves_a_batch_of_starting_states():
    builder = Builder(3, 1)
    builder.rx(1, parameter(0))
    builder.rotation(0b101, 0b010, parameter(0, 0.5))
    simulator = Simulator(builder.program())
    hamiltonian = Hamiltonian(Observable.from_json({"ZZX": 1.0}, 3), dtype=simulator.dtype)
    basis = torch.eye(8, dtype=simulator.dtype)
    theta = simulator.parameters([0.7])
    energies, slopes = simulator.gradient(theta, hamiltonian, basis)
    for i in range(8):
        energy, slope = simulator.gradient(theta, hamiltonian, basis[i : i + 1])
        assert torch.allclose(energies[i], energy[0])
        assert torch.allclose(slopes[i], slope[0])


def test_a_program_without_parameters_has_an_empty_gradient():
    builder = Builder(2)
    builder.h(0)
    simulator = Simulator(builder.program())
    hamiltonian = Hamiltonian(Observable.from_json({"IX": 2.0}, 2), dtype=simulator.dtype)
    energy, slopes = simulator.gradient(simulator.parameters([[]]), hamiltonian)
    assert float(energy) == pytest.approx(2.0)
    assert slopes.shape == (1, 0)


def test_the_shift_rule_holds_for_controlled_phases_on_many_qubits():
    builder = Builder(4, 2)
    for q in range(4):
        builder.ry(q, 0.4 + q)
    builder.cp((0, 1, 2), parameter(0, 0.7))
    builder.cp((0, 1, 2, 3), parameter(1))
    for q in range(4):
        builder.rx(q, 1.1)
    simulator = Simulator(builder.program())
    strings = {"ZXYZ": 1.0, "IXXI": -0.4, "ZIIZ": 0.3}
    hamiltonian = Hamiltonian(Observable.from_json(strings, 4), dtype=simulator.dtype)
    theta = simulator.parameters([0.9, -1.7])
    shifted = simulator.parameter_shift(
        theta, lambda angles: hamiltonian.expectation(simulator.forward(angles))
    )
    assert shifted.abs().min() > 1e-5
    assert torch.allclose(shifted, simulator.gradient(theta, hamiltonian)[1][0], atol=1e-12)


def test_the_shift_rule_leaves_fixed_angles_alone():
    builder = Builder(2, 1)
    builder.h(0)
    builder.ry(1, 0.4)
    builder.rotation(0b11, 0b01, parameter(0, 1.5))
    simulator = Simulator(builder.program())
    hamiltonian = Hamiltonian(
        Observable.from_json({"ZX": 1.0, "YI": 0.5}, 2), dtype=simulator.dtype
    )
    theta = simulator.parameters([0.7])
    shifted = simulator.parameter_shift(
        theta, lambda angles: hamiltonian.expectation(simulator.forward(angles))
    )
    assert torch.allclose(shifted, simulator.gradient(theta, hamiltonian)[1][0], atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(gates(), max_size=12), st.sampled_from(["single", "double"]))
def test_bytes_of_tables_are_known_before_they_are_made(items, precision):
    program = built(items)
    simulator = Simulator(program, precision=precision)
    assert table_bytes(program, simulator.dtype) == simulator.tables.nbytes


def test_layers_that_repeat_share_their_tables():
    def deep(layers):
        builder = Builder(10, layers)
        for layer in range(layers):
            for q in range(9):
                builder.rx(q, parameter(layer))
                builder.x(q + 1, [q])
            for q in range(9):
                builder.phase(3 << q, parameter(layer, 0.5 + q))
        return Simulator(builder.program()).tables.nbytes

    assert deep(100) == deep(2)


def test_flips_of_a_hamiltonian_are_streamed_beyond_what_is_kept(monkeypatch):
    rng = np.random.default_rng(3)
    letters = rng.choice(list("IXYZ"), size=(200, 10))
    strings = {"".join(row): float(rng.normal()) for row in letters}
    observable = Observable.from_json(strings, 10)
    state = torch.tensor(rng.normal(size=(2, 1 << 10)) + 1j * rng.normal(size=(2, 1 << 10)))
    whole = Hamiltonian(observable, dtype=state.dtype)
    most = operator_bytes(observable, state.dtype)
    monkeypatch.setattr(hamiltonians, "KEPT_BYTES", 5 * 16 << 10)
    streamed = Hamiltonian(observable, dtype=state.dtype)
    assert torch.equal(streamed.apply(state), whole.apply(state))
    assert torch.equal(streamed.expectation(state), whole.expectation(state))
    assert 6 * 16 << 10 <= operator_bytes(observable, state.dtype) < most / 10
