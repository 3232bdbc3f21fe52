"""Engines: qsim against Aer on random circuits, and what 100 qubits and more cost.

    python -m benchmarks.engines [--qubits 20 22 24] [--rounds 2] [--skip-wide]

Random circuits of depth 10: a random rotation on each qubit, CZ on random pairs. Both engines give
the whole state in single precision: a benchmark that saves one expectation value of Aer times the
light cone instead (evidence/performance.md §3), so states are compared amplitude by amplitude.
On a loaded machine processor time counts, and the goal is judged by it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import networkx
import numpy as np

from benchmarks import report

DEPTH = 10
GOAL = 5.0
Row = dict[str, object]


def random_circuit(qubits: int, seed: int) -> Any:
    from qiskit import QuantumCircuit

    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(qubits)
    for _ in range(DEPTH):
        for qubit in range(qubits):
            circuit.u(*(float(x) for x in rng.uniform(0, 6, 3)), qubit)
        order = rng.permutation(qubits)
        for a, b in zip(order[0::2], order[1::2], strict=False):
            circuit.cz(int(a), int(b))
    return circuit


def clocked(work: Callable[[], Any]) -> tuple[float, float, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def states(qubits: int, rounds: int) -> Row:
    """Best of the rounds, the engines in turn."""
    from chimera_pipelines.quantum.embedding import Embedded
    from chimera_pipelines.quantum.engines.planned import PlannedEngine
    from chimera_pipelines.quantum.engines.protocol import Request
    from chimera_pipelines.quantum.observables import Observable
    from chimera_pipelines.quantum.planner import Tools
    from chimera_pipelines.quantum.write import write_record

    one = (Observable.from_json({"I" * qubits: 1.0}, qubits),)
    request = Request(None, 0, one, "statevector", "single")
    engines = {"aer": PlannedEngine(tools=Tools()), "qsim": PlannedEngine(tools=Tools(qsim=True))}
    record = write_record(random_circuit(qubits, qubits))
    best: dict[str, tuple[float, float]] = {}
    kept: dict[str, Any] = {}
    for _ in range(rounds):
        for name, engine in engines.items():
            kept.pop(name, None)
            wall, cpu, (held,) = clocked(lambda e=engine: e.propagate([Embedded(record)], request))
            assert held.choice.engine == name
            kept[name] = held.state
            seen = best.get(name, (wall, cpu))
            best[name] = (min(seen[0], wall), min(seen[1], cpu))
    apart = float(np.abs(kept["aer"] - kept["qsim"]).max())
    assert apart < 1e-5
    row: Row = {"qubits": qubits}
    for name, (wall, cpu) in best.items():
        row |= {f"{name}_s": wall, f"{name}_cpu_s": cpu}
    row["aer/qsim"] = best["aer"][0] / best["qsim"][0]
    row["aer/qsim_cpu"] = best["aer"][1] / best["qsim"][1]
    return row | {"largest difference": apart}


def ghz(qubits: int) -> Any:
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def qaoa(graph: Any, layers: int) -> tuple[Any, dict[str, float]]:
    """The circuit, and Z Z of every edge."""
    from qiskit import QuantumCircuit

    qubits = len(graph)
    circuit = QuantumCircuit(qubits)
    circuit.h(circuit.qubits)
    strings = {}
    for a, b in graph.edges:
        letters = ["I"] * qubits
        letters[qubits - 1 - a] = letters[qubits - 1 - b] = "Z"
        strings["".join(letters)] = 1.0
    for layer in range(layers):
        for a, b in graph.edges:
            circuit.rzz(-0.6 - 0.1 * layer, int(a), int(b))
        circuit.rx(0.8 - 0.1 * layer, circuit.qubits)
    return circuit, strings


def chain(qubits: int, steps: int) -> tuple[Any, dict[str, float]]:
    """Trotter steps of an Ising chain, and Z Z of its middle."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(qubits)
    for _ in range(steps):
        for qubit in range(qubits - 1):
            circuit.rzz(-0.2, qubit, qubit + 1)
        circuit.rx(-0.1, circuit.qubits)
    half = qubits // 2
    return circuit, {"I" * (qubits - half - 1) + "ZZ" + "I" * (half - 1): 1.0}


def wide() -> list[Row]:
    """Circuits that no state vector holds."""
    cubic = networkx.random_regular_graph(3, 100, seed=1)
    large = networkx.random_regular_graph(3, 1000, seed=1)
    some = 3
    cases: list[tuple[str, Any, Any, str, int | None]] = [
        ("GHZ 127, 1,000 shots", ghz(127), None, "matrix_product_state", 1000),
        ("GHZ 300, 1,000 shots", ghz(300), None, "matrix_product_state", 1000),
        ("GHZ 127, 1,000 shots", ghz(127), None, "automatic", 1000),
        ("Ising chain 100, 10 steps", *chain(100, 10), "matrix_product_state", None),
        ("Ising chain 100, 10 steps", *chain(100, 10), "automatic", None),
        ("QAOA cubic 100, p=1, 150 edges", *qaoa(cubic, 1), "automatic", None),
        ("QAOA cubic 100, p=2, 150 edges", *qaoa(cubic, 2), "automatic", None),
        ("QAOA cubic 1,000, p=1, 1,500 edges", *qaoa(large, 1), "automatic", None),
    ]
    for layers in (1, 2):
        circuit, strings = qaoa(cubic, layers)
        few = dict(list(strings.items())[:some])
        cases.append((f"QAOA cubic 100, p={layers}, 3 edges", circuit, few, "tensor_network", None))
    return [_wide(*case) for case in cases]


def _wide(name: str, circuit: Any, strings: Any, method: str, shots: int | None) -> Row:
    from chimera_pipelines.quantum.embedding import Embedded
    from chimera_pipelines.quantum.engines.planned import PlannedEngine
    from chimera_pipelines.quantum.engines.protocol import Request
    from chimera_pipelines.quantum.observables import Observable
    from chimera_pipelines.quantum.write import write_record

    report.progress(f"{name}, {method}")
    engine = PlannedEngine()
    record = write_record(circuit)
    observables = None
    if strings is not None:
        observables = (Observable.from_json(strings, circuit.num_qubits),)
    request = Request(shots, 1, observables, method)
    wall, cpu, (held,) = clocked(lambda: engine.propagate([Embedded(record)], request))
    found = held.measurement
    return {
        "circuit": name,
        "asked": method,
        "engine": held.choice.engine,
        "method": held.choice.method,
        "s": wall,
        "cpu_s": cpu,
        "value": found.expectation if found.counts is None else len(found.counts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, nargs="*", default=[20, 22, 24])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--skip-wide", action="store_true")
    options = parser.parse_args()
    rows: list[Row] = []
    for qubits in options.qubits:
        report.progress(f"random circuit, {qubits} qubits")
        rows.append(states(qubits, options.rounds))
    met = all(float(str(row["aer/qsim_cpu"])) >= GOAL for row in rows)
    note = f"goal of {GOAL} times Aer on random circuits: {met}"
    rows += [] if options.skip_wide else wide()
    report.publish(
        "engines",
        rows,
        packages=("qiskit-aer", "qsimcirq", "quimb", "cotengra"),
        note=note,
    )


if __name__ == "__main__":
    main()
