"""One circuit from plan to counts, by our engine and by Qiskit with Aer.

    python -m benchmarks.latency [--qubits 5 8 10 12 15 18 20] [--runs 15] [--device cuda]

A RY, RZ, CX ansatz of three layers, 1,024 shots. Each round runs every variant once, in turn, so
that other load of the machine disturbs them alike; figures are medians, ratios those of medians.
On a loaded machine processor time counts, and the goals are judged by it. With `--device cuda` ours
is the torch state vector on the GPU, and wall time counts; Qiskit and Aer stay on the CPU.

    cold      our engine's first circuit of a width: the program is compiled
    warm      new angles in a structure that is kept: analyse, plan, bind, evolve, sample, count
    naive     transpile(circuit, backend) and run, for every circuit
    kept      a pass manager built once for the backend's target; transpile and run
    run       Aer alone: a circuit that was transpiled before, run and counted
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import report

SHOTS = 1024
LAYERS = 3
GOAL_NAIVE, GOAL_RUN = 10.0, 1.5
GOAL_QUBITS = range(5, 13)


def ansatz(qubits: int, seed: int) -> Any:
    """The circuit, with angles of a seed."""
    from qiskit import QuantumCircuit

    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(qubits)
    for _ in range(LAYERS):
        for qubit in range(qubits):
            circuit.ry(float(rng.uniform(0, 6)), qubit)
            circuit.rz(float(rng.uniform(0, 6)), qubit)
        for qubit in range(qubits - 1):
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def ours(engine: Any) -> Callable[[Any], int]:
    """From a circuit record, which is what a plan's kernel hands to a head, to counts."""
    from chimera_pipelines.quantum import collapse
    from chimera_pipelines.quantum.embedding import Embedded
    from chimera_pipelines.quantum.engines.protocol import Request

    def run(record: Any) -> int:
        (held,) = engine.propagate([Embedded(record)], Request(SHOTS, 1))
        counts = collapse.measure(held, 0, SHOTS, 1, None).counts
        return sum((counts or {}).values())

    return run


def peers() -> dict[str, Callable[[Any], int]]:
    """Qiskit and Aer by themselves."""
    from qiskit import generate_preset_pass_manager, transpile
    from qiskit_aer import AerSimulator

    backend = AerSimulator()
    manager = generate_preset_pass_manager(1, target=backend.target)

    def run(circuit: Any) -> int:
        found = backend.run(circuit, shots=SHOTS, seed_simulator=1).result().get_counts()
        return sum(found.values())

    return {
        "naive": lambda circuit: run(transpile(circuit, backend, optimization_level=1)),
        "kept": lambda circuit: run(manager.run(circuit)),
        "prepare": manager.run,
        "run": run,
    }


def timed(work: Callable[[Any], int], given: Any) -> tuple[float, float]:
    """Wall and processor milliseconds of one call, whose counts are checked."""
    wall, cpu = time.perf_counter(), time.process_time()
    assert work(given) == SHOTS
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def engine_on(device: str) -> Any:
    """What a head of that device propagates one circuit by, here."""
    if device == "cuda":
        from chimera_pipelines.quantum.engines.torch_statevector import TorchEngine

        return TorchEngine("GPU")
    from chimera_pipelines.quantum.engines.planned import PlannedEngine

    return PlannedEngine()


def measure(qubits: int, runs: int, device: str) -> report.Row:
    from chimera_pipelines.quantum.write import write_record

    peer = peers()
    prepare = peer.pop("prepare")
    mine = ours(engine_on(device))
    taken: dict[str, list[tuple[float, float]]] = {
        "cold": [timed(mine, write_record(ansatz(qubits, 0)))]
    }
    for name in peer:
        given = ansatz(qubits, 0)
        peer[name](prepare(given) if name == "run" else given)
    for number in range(1, runs + 1):
        circuit = ansatz(qubits, number)
        taken.setdefault("warm", []).append(timed(mine, write_record(circuit)))
        for name, work in peer.items():
            if name == "naive" and number > max(3, runs // 3):
                continue
            given = prepare(circuit) if name == "run" else circuit
            taken.setdefault(name, []).append(timed(work, given))
    row: dict[str, object] = {"qubits": qubits}
    for clock, at in (("wall", 0), ("cpu", 1)):
        for name, found in taken.items():
            row[f"{name}_{clock}_ms"] = statistics.median(pair[at] for pair in found)
        warm = float(str(row[f"warm_{clock}_ms"]))
        row[f"naive/warm_{clock}"] = float(str(row[f"naive_{clock}_ms"])) / warm
        row[f"warm/run_{clock}"] = warm / float(str(row[f"run_{clock}_ms"]))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, nargs="+", default=[5, 8, 10, 12, 15, 18, 20])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    rows = []
    for qubits in options.qubits:
        report.progress(f"{qubits} qubits")
        rows.append(measure(qubits, options.runs, options.device))
    within = [row for row in rows if row["qubits"] in GOAL_QUBITS]
    clock = "wall" if options.device == "cuda" else "cpu"
    met = all(
        float(str(row[f"naive/warm_{clock}"])) >= GOAL_NAIVE
        and float(str(row[f"warm/run_{clock}"])) <= GOAL_RUN
        for row in within
    )
    note = f"goals of 5-12 qubits, {GOAL_NAIVE}x naive and {GOAL_RUN} of run: {met}"
    report.publish("latency", rows, packages=("qiskit", "qiskit-aer"), note=note)


if __name__ == "__main__":
    main()
