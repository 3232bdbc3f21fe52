from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.quantum import sampling
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.planned import PlannedEngine
from chimera_pipelines.quantum.engines.protocol import Choice, Engine, Evolved, Request
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.planner import Tools
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import ghz, teleport


def test_it_is_an_engine():
    engine: Engine = PlannedEngine()
    assert (engine.name, engine.compilations) == ("planned", 0)


def test_circuits_of_one_run_go_to_several_engines_and_keep_their_places():
    circuits = [teleport(), ghz(16), ghz(3)]
    made = [Embedded(write_record(circuit)) for circuit in circuits]
    request = Request(200, 7, precision="single")
    held = PlannedEngine(tools=Tools(qsim=True, cones=True)).propagate(made, request)
    assert [item.choice.engine for item in held] == ["aer", "qsim", "aer"]
    assert [item.record for item in held] == [one.record for one in made]
    alone = AerEngine().propagate(made, request)
    assert held[0].measurement == alone[0].measurement
    assert isinstance(held[1], Evolved)
    assert np.abs(held[1].state - alone[1].state).max() < 1e-6


def test_wide_observables_need_no_extra_while_cones_are_narrow():
    """⟨ZZ⟩ of neighbours after CZ on a ring of |+> turned by t: cos²t, by hand."""
    width, turn = 100, 0.4
    circuit = QuantumCircuit(width)
    for qubit in range(width):
        circuit.ry(turn, qubit)
    for qubit in range(width):
        circuit.cz(qubit, (qubit + 1) % width)
    strings = {"ZZ" + "I" * (width - 2): 1.0, "I" * width: 2.0, "I" * (width - 1) + "X": 1.0}
    observable = Observable.from_json(strings, width)
    engine = PlannedEngine(tools=Tools(cones=True))
    (held,) = engine.propagate([Embedded(write_record(circuit))], Request(None, 0, (observable,)))
    assert (held.choice.engine, held.choice.method) == ("lightcone", "light_cones")
    # X of qubit 0 becomes Z X Z over its neighbours.
    expected = np.cos(turn) ** 2 + 2.0 + np.sin(turn) * np.cos(turn) ** 2
    assert held.measurement.expectation == pytest.approx(expected, abs=1e-12)


def test_a_choice_survives_json():
    choice = Choice("aer", "statevector", "it fits", 1 << 40)
    assert Choice.from_json(choice.as_json()) == choice


def test_expectations_of_a_kept_state_are_those_of_qsim():
    observable = Observable.from_json({"X" * 16: 1.0}, 16)
    circuit = ghz(16).remove_final_measurements(inplace=False)
    request = Request(None, 0, (observable,), "statevector", "single")
    (held,) = PlannedEngine().propagate([Embedded(write_record(circuit))], request)
    assert held.choice.engine == "qsim"
    assert sampling.expectation(held.state, observable) == pytest.approx(1.0, abs=1e-6)
