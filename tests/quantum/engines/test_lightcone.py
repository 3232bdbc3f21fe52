from __future__ import annotations

import networkx
import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.lightcone import LightConeEngine
from chimera_pipelines.quantum.engines.protocol import Choice, Job, Request
from chimera_pipelines.quantum.form import analyse
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.write import write_record

pytestmark = pytest.mark.xdist_group("quimb")


def _qaoa(width: int, layers: int) -> tuple[QuantumCircuit, Observable]:
    graph = networkx.random_regular_graph(3, width, seed=4)
    circuit = QuantumCircuit(width)
    circuit.h(circuit.qubits)
    for _ in range(layers):
        for a, b in graph.edges:
            circuit.rzz(0.7, a, b)
        circuit.rx(0.5, circuit.qubits)
    a, b = next(iter(graph.edges))
    string = "".join("Z" if q in (a, b) else "I" for q in reversed(range(width)))
    return circuit, Observable.from_json({string: 1.0}, width)


def _run(method: str, room: int = 1 << 62) -> float:
    circuit, observable = _qaoa(60, 2)
    job = Job(0, analyse(write_record(circuit)), Choice("lightcone", method, "", 0))
    request = Request(None, 0, (observable,), room=room)
    (held,) = LightConeEngine(AerEngine()).perform([job], request)
    return held.measurement.expectation


def test_contraction_and_state_vectors_agree_and_repeat():
    contracted = _run("tensor_network")
    assert contracted == pytest.approx(_run("light_cones"), abs=1e-10)
    assert contracted == _run("tensor_network")


def test_a_contraction_that_does_not_fit_is_refused_with_numbers():
    with pytest.raises(KernelError, match=r"13 qubits needs tensors of .* 64 bytes are free") as e:
        _run("tensor_network", room=64)
    assert e.value.code == "MAML413"


def test_measured_bits_have_no_light_cone():
    circuit, _ = _qaoa(4, 1)
    job = Job(0, analyse(write_record(circuit)), Choice("lightcone", "light_cones", "", 0))
    with pytest.raises(KernelError) as caught:
        LightConeEngine(AerEngine()).perform([job], Request(1, 0))
    assert caught.value.code == "MAML319"
