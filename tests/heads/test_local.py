from __future__ import annotations

import importlib.util
import math
import threading

import pytest
from qiskit import QuantumCircuit

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.heads import local
from chimera_pipelines.heads.local import LocalHead, build_heads, open_engine
from chimera_pipelines.heads.protocol import Head
from chimera_pipelines.quantum.embedding import Embedding
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.qasm import parse_qasm
from chimera_pipelines.quantum.record import circuits_from_json
from chimera_pipelines.quantum.write import encode_circuits
from tests.quantum.circuits import cone, entangled, fits, ghz, measured, teleport

MEMORY = 1 << 28


@pytest.fixture(scope="module")
def head() -> LocalHead:
    return LocalHead("HEAD_1", "quantum", "cpu", memory_bytes=MEMORY)


def _run(head: LocalHead, value, *, shots=None, seed=7, observable=None, embedding=None, **backend):
    circuits, is_list = circuits_from_json(encode_circuits(value)[0])
    embedded = head.embed(circuits, is_list, embedding, **backend)
    register = head.propagate(embedded, shots=shots, seed=seed, observable=observable)
    found = head.measure(register, shots=shots, seed=seed, observable=observable)
    head.drop(register)
    head.drop(embedded)
    return found


def _features(method, features, **options):
    return Embedding.from_options({"method": method, "features": "x", **options}, features)


def test_ghz_exact(head):
    (result,) = _run(head, ghz(4)).results
    assert result.probabilities == pytest.approx({"0000": 0.5, "1111": 0.5}, abs=1e-12)
    assert result.counts is None


def test_amplitude_features_are_normalised(head):
    found = _run(head, measured(1), embedding=_features("amplitude", [3.0, 4.0]))
    assert found.results[0].probabilities == pytest.approx({"0": 0.36, "1": 0.64}, abs=1e-12)
    assert not found.is_list


def test_rows_of_angles_become_rows_of_expectation_values(head):
    rows = _features("angle", [[0.3], [1.1], [2.0]], axis="ry")
    found = _run(head, QuantumCircuit(1), embedding=rows, observable={"Z": 1.0, "X": 0.5})
    assert found.is_list
    assert [r.expectation for r in found.results] == pytest.approx(
        [math.cos(x) + 0.5 * math.sin(x) for x in (0.3, 1.1, 2.0)], abs=1e-12
    )


def test_qubit_zero_is_the_rightmost_letter(head):
    circuit = QuantumCircuit(3)
    circuit.x(0)
    found = _run(head, circuit, observable={"IIZ": 1.0, "ZII": 10.0})
    assert found.results[0].expectation == pytest.approx(9.0, abs=1e-12)
    circuit.measure_all()
    assert _run(head, circuit, shots=100).results[0].counts == {"001": 100}


@pytest.mark.parametrize(
    "method", ["automatic", "statevector", "density_matrix", "matrix_product_state"]
)
def test_an_observable_beside_an_idle_qubit(head, method):
    found = _run(head, cone(), observable={"IIZ": 1.0, "ZII": 1.0}, method=method)
    assert found.results[0].expectation == pytest.approx(1 + math.cos(1.94), abs=1e-9)


def test_feed_forward(head):
    """Four outcomes of 1/4 each: false failure below 1e-6."""
    (result,) = _run(head, teleport(), shots=4000, seed=5).results
    assert fits(result.counts, {f"1 {a} {b}": 0.25 for a in "01" for b in "01"})


def test_the_feedback_loop_of_the_acceptance_document_compiles_once():
    head = LocalHead("HEAD_2", "quantum", "cpu", memory_bytes=MEMORY)
    x, z, passes = 0.2, 1.0, 0
    while z >= -0.999999 and passes < 60:
        passes += 1
        features = _features("angle", [x], axis="ry")
        found = _run(head, QuantumCircuit(1), embedding=features, observable={"Z": 1.0})
        z = found.results[0].expectation
        x += 0.5 * math.sin(x)
    assert z < -0.999999
    assert passes < 60
    assert head.engine.compilations == 1
    assert head.bank.used == 0


def test_a_qasm_program_is_measured_with_its_registers(head):
    source = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit d;\nbit[2] c;\nx q[1];\nc = measure q;\nd = measure q[1];\n'  # noqa: E501
    circuits, is_list = circuits_from_json(parse_qasm(source, {}))
    register = head.propagate(head.embed(circuits, is_list), shots=5, seed=1)
    (result,) = head.measure(register, shots=5, seed=1).results
    assert result.counts == {"10 1": 5}
    assert result.registers == ("c", "d")


def test_samples_follow_the_circuit_and_the_seed(head):
    """χ² at 1e-7."""
    circuit = QuantumCircuit(2)
    circuit.ry(1.0, 0)
    circuit.cry(2.0, 0, 1)
    circuit.measure_all()
    (exact,) = _run(head, circuit).results
    (first,) = _run(head, circuit, shots=100_000, seed=11).results
    assert fits(first.counts, exact.probabilities)
    assert _run(head, circuit, shots=100_000, seed=11).results[0] == first
    assert _run(head, circuit, shots=100_000, seed=12).results[0] != first


def test_equal_circuits_of_one_list_draw_different_samples(head):
    first, second = _run(head, [ghz(3), ghz(3)], shots=1001).results
    assert first.counts != second.counts


def test_a_state_that_does_not_fit_is_refused_with_numbers():
    head = LocalHead("HEAD_1", "quantum", "cpu", memory_bytes=1 << 20)
    circuit = entangled(20)
    with pytest.raises(KernelError, match=r"need 16777216 bytes; \d+ bytes are free") as caught:
        _run(head, circuit, observable={"Z" * 20: 1.0})
    assert caught.value.code == "MAML413"


def test_registers_are_found_in_their_own_process_only(head):
    circuits, _ = circuits_from_json(encode_circuits(ghz(2))[0])
    handle = head.embed(circuits, False)
    other = LocalHead("HEAD_1", "quantum", "cpu", memory_bytes=MEMORY)
    with pytest.raises(KernelError) as caught:
        other.propagate(handle, shots=1, seed=0)
    assert caught.value.code == "CHIM703"
    other.drop(handle)
    head.drop(handle)
    head.drop(handle)
    with pytest.raises(KernelError) as caught:
        head.propagate(handle, shots=1, seed=0)
    assert caught.value.code == "CHIM703"


def test_phases_cannot_be_skipped_or_repeated(head):
    circuits, _ = circuits_from_json(encode_circuits(ghz(2))[0])
    embedded = head.embed(circuits, False)
    with pytest.raises(KernelError, match="not propagated yet"):
        head.measure(embedded, shots=1, seed=0)
    register = head.propagate(embedded, shots=1, seed=0)
    with pytest.raises(KernelError, match="propagated already"):
        head.propagate(register, shots=1, seed=0)
    head.drop(embedded)
    head.drop(register)


def test_four_heads_two_of_each_kind():
    heads: dict[str, Head] = build_heads("cpu", memory_bytes=MEMORY)
    described = [head.describe() for head in heads.values()]
    assert [(d.id, d.kind) for d in described] == [
        ("HEAD_1", "quantum"),
        ("HEAD_2", "quantum"),
        ("HEAD_3", "ai"),
        ("HEAD_4", "ai"),
    ]
    assert {"qiskit", "HEAD_1", "qec"} <= described[0].tags
    assert "pytorch" in described[2].tags
    assert all("cuda" not in d.tags for d in described)
    assert {d.incarnation for d in described} == {1}


def test_an_ai_head_runs_no_circuits():
    head = build_heads("cpu", memory_bytes=MEMORY)["HEAD_3"]
    with pytest.raises(KernelError, match="AI head") as caught:
        head.embed((), False)
    assert caught.value.code == "CHIM704"


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(HeadUnavailableError) as caught:
        build_heads("gpu")
    assert (caught.value.code, int(caught.value.exit_code)) == ("MAML905", 6)


def test_without_a_simulator_the_error_says_what_to_install(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "qiskit_aer" else found(name)
    )
    with pytest.raises(
        HeadUnavailableError, match="neither qiskit-aer nor qiskit-aer-gpu"
    ) as caught:
        open_engine("cpu")
    assert "never both" in (caught.value.hint or "")


def test_sessions_come_from_the_opener():
    opened = []
    head = LocalHead("HEAD_3", "ai", "cpu", memory_bytes=1, open_session=opened.append)
    head.open("spec")
    assert opened == ["spec"]
    with pytest.raises(HeadUnavailableError):
        LocalHead("HEAD_3", "ai", "cpu", memory_bytes=1).open("spec")


def test_an_engine_may_be_given():
    engine = AerEngine()
    assert LocalHead("HEAD_1", "quantum", "cpu", memory_bytes=1, engine=engine).engine is engine


def test_a_simulator_that_is_expected_is_opened_once_and_for_all(monkeypatch):
    opened = []
    begun, go_on = threading.Event(), threading.Event()

    def slow(device):
        opened.append(device)
        begun.set()
        assert go_on.wait(60)
        return "engine"

    monkeypatch.setattr(local, "open_engine", slow)
    head = LocalHead("HEAD_1", "quantum", "cpu", memory_bytes=1)
    head.expect_circuits()
    assert begun.wait(60)
    go_on.set()
    assert head.engine == "engine"
    head.expect_circuits()
    assert opened == ["cpu"]


def test_an_ai_head_expects_no_circuits(monkeypatch):
    monkeypatch.setattr(local, "Thread", None)
    LocalHead("HEAD_3", "ai", "cpu", memory_bytes=1).expect_circuits()


def test_a_simulator_that_is_missing_is_told_to_who_needs_it(monkeypatch):
    def missing(_device):
        raise HeadUnavailableError("MAML905", "none here")

    monkeypatch.setattr(local, "open_engine", missing)
    head = LocalHead("HEAD_1", "quantum", "cpu", memory_bytes=1)
    head.expect_circuits()
    with pytest.raises(HeadUnavailableError, match="none here"):
        _ = head.engine
