from __future__ import annotations

import math

import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.noise import Noise
from chimera_pipelines.quantum.engines.protocol import Request
from chimera_pipelines.quantum.form import Factor, analyse
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.planner import Tools, choose, installed, jobs, stays
from chimera_pipelines.quantum.write import write_record
from tests.quantum.circuits import cone, entangled, ghz, teleport

AER = Tools()
ALL = Tools(qsim=True, cones=True, tensor=True)
NO_EXTRAS = Tools(cones=True)


def _form(circuit: QuantumCircuit, *factors: Factor):
    return analyse(write_record(circuit), factors)


def _measured(circuit: QuantumCircuit) -> QuantumCircuit:
    circuit.measure_all()
    return circuit


def _brick(width: int, depth: int) -> QuantumCircuit:
    circuit = QuantumCircuit(width)
    for layer in range(depth):
        for qubit in range(width):
            circuit.ry(0.3 + qubit, qubit)
        for qubit in range(layer % 2, width - 1, 2):
            circuit.cx(qubit, qubit + 1)
    return circuit


def _first(width: int) -> tuple[Observable, ...]:
    return (Observable.from_json({"I" * (width - 2) + "ZZ": 1.0}, width),)


# circuit, shots, observables?, precision, tools → engine and method
CHOSEN = {
    "small": (ghz(10), 1, False, "double", ALL, "aer", "statevector"),
    "small, single": (ghz(15), 1, False, "single", ALL, "aer", "statevector"),
    "16 qubits, single": (ghz(16), 1, False, "single", ALL, "qsim", "statevector"),
    "16 qubits, double": (ghz(16), 1, False, "double", ALL, "aer", "statevector"),
    "16 qubits, no qsim": (ghz(16), 1, False, "single", NO_EXTRAS, "aer", "statevector"),
    "dynamic": (teleport(), 1, False, "single", ALL, "aer", "statevector"),
    "Clifford of 22": (ghz(22), 1, False, "double", ALL, "aer", "stabilizer"),
    "Clifford of 100": (ghz(100), 1, False, "double", AER, "aer", "stabilizer"),
    "chain of 24": (_brick(24, 4), 1, True, "double", ALL, "aer", "matrix_product_state"),
    "entangled 24": (entangled(24), 1, True, "double", ALL, "aer", "statevector"),
    "chain of 100": (_brick(100, 8), 1, True, "double", ALL, "aer", "matrix_product_state"),
    "cones of 100": (_brick(100, 4), None, True, "double", NO_EXTRAS, "lightcone", "light_cones"),
    "cones of deep 100": (_brick(100, 40), None, True, "double", ALL, "lightcone", "light_cones"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHOSEN.values(), ids=CHOSEN.keys())
def test_automatic_chooses_and_says_why(case):
    circuit, shots, observed, precision, tools, engine, method = case
    observables = _first(circuit.num_qubits) if observed else None
    request = Request(shots, 0, observables, precision=precision)
    found = choose(_form(circuit), request, tools)
    assert (found.engine, found.method) == (engine, method)
    assert found.reason
    assert found.nbytes > 0


def test_a_clifford_circuit_without_room_for_its_state():
    assert choose(_form(ghz(10)), Request(1, 0, room=100), AER).method == "stabilizer"


def test_38_qubits_are_refused_with_the_numbers():
    circuit = _measured(entangled(38))
    with pytest.raises(KernelError) as caught:
        choose(_form(circuit), Request(1, 0, room=1 << 33), ALL)
    assert caught.value.code == "MAML413"
    assert f"need {16 << 38} bytes (4 TiB)" in caught.value.message
    assert "8 GiB" in caught.value.message
    assert "2^19" in caught.value.message
    assert "matrix_product_state" in (caught.value.hint or "")


def test_wide_cones_without_the_extra_are_refused_with_a_hint():
    request = Request(None, 0, _first(100))
    with pytest.raises(KernelError, match="widest light cone has 42 qubits") as caught:
        choose(_form(_brick(100, 40)), request, NO_EXTRAS)
    assert caught.value.code == "MAML413"
    assert "'tensor'" in (caught.value.hint or "")


def test_shots_of_an_observable_are_not_answered_exactly_in_silence():
    with pytest.raises(KernelError) as caught:
        choose(_form(_brick(100, 40)), Request(100, 0, _first(100)), ALL)
    assert caught.value.code == "MAML413"


@pytest.mark.parametrize("method", ["statevector", "density_matrix", "matrix_product_state"])
def test_a_method_asked_for_is_kept(method):
    found = choose(_form(ghz(12)), Request(1, 0, None, method), ALL)
    assert (found.engine, found.method) == ("aer", method)


@pytest.mark.parametrize(
    ("circuit", "method"), [(ghz(40), "statevector"), (ghz(40), "density_matrix")]
)
def test_a_method_asked_for_is_refused_where_it_does_not_fit(circuit, method):
    with pytest.raises(KernelError) as caught:
        choose(_form(circuit), Request(1, 0, None, method, room=1 << 33), ALL)
    assert caught.value.code == "MAML413"


def test_a_tensor_network_of_observables_is_contracted():
    request = Request(None, 0, (Observable.from_json({"ZII": 1.0}, 3),), "tensor_network")
    found = choose(_form(cone()), request, ALL)
    assert (found.engine, found.method) == ("lightcone", "tensor_network")


def test_a_tensor_network_without_the_extra_is_refused():
    request = Request(None, 0, (Observable.from_json({"ZII": 1.0}, 3),), "tensor_network")
    with pytest.raises(HeadUnavailableError) as caught:
        choose(_form(cone()), request, NO_EXTRAS)
    assert caught.value.code == "MAML905"
    assert "'tensor'" in (caught.value.hint or "")


def test_a_tensor_network_gives_no_counts_on_a_cpu():
    with pytest.raises(KernelError) as caught:
        choose(_form(ghz(3)), Request(10, 0, None, "tensor_network"), ALL)
    assert caught.value.code == "MAML319"


def test_noise_goes_to_the_density_matrix_or_nowhere():
    noise = Noise(0.1)
    assert choose(_form(ghz(3)), Request(1, 0, noise=noise), ALL).method == "density_matrix"
    for method in ("statevector", "stabilizer", "matrix_product_state", "tensor_network"):
        with pytest.raises(KernelError, match="noise") as caught:
            choose(_form(ghz(3)), Request(1, 0, None, method, noise=noise), ALL)
        assert caught.value.code == "MAML319"


def test_amplitudes_do_not_go_to_the_stabilizer_nor_to_light_cones():
    found = choose(_form(ghz(40), Factor((0,), (1, 0))), Request(1, 0), ALL)
    assert found.method == "matrix_product_state"
    request = Request(None, 0, (Observable.from_json({"Z" * 40: 1.0}, 40),))
    bare = QuantumCircuit(40)
    found = choose(_form(bare, Factor((0, 1), (1, 0, 0, 1))), request, ALL)
    assert found.method == "matrix_product_state"


def test_states_have_to_fit_together():
    circuits = [Embedded(write_record(entangled(6))) for _ in range(3)]
    observables = (Observable.from_json({"Z" * 6: 1.0}, 6),) * 3
    made = jobs(circuits, Request(None, 0, observables, room=3 << 10), AER)
    assert [job.at for job in made if stays(job)] == [0, 1, 2]
    with pytest.raises(KernelError, match=r"3 x 6 qubits .* need 3072 bytes; 3071 bytes are free"):
        jobs(circuits, Request(None, 0, observables, room=(3 << 10) - 1), AER)


def test_what_is_installed_here():
    found = installed()
    assert found.qsim
    assert found.tensor
    assert not installed("GPU").qsim


def test_the_planner_imports_no_simulator():
    import subprocess
    import sys

    code = (
        "import sys, chimera_pipelines.quantum.planner as p; p.installed(); "
        "found = {'qiskit', 'qiskit_aer', 'qsimcirq', 'quimb', 'torch'} & set(sys.modules); "
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_refusal_of_a_bond_bound_is_about_the_bound():
    width = 40
    circuit = QuantumCircuit(width)
    for _ in range(9):
        for qubit in range(width - 1):
            circuit.rzz(math.pi / 7, qubit, qubit + 1)
            circuit.rx(0.1, qubit)
    with pytest.raises(KernelError, match=r"bond bound of a matrix product state is 2\^9"):
        choose(_form(_measured(circuit)), Request(1, 0), ALL)
