"""One full gradient of a VQE energy: the learning head's reversible adjoint against Aer.

    python -m benchmarks.gradient [--qubits 8 10 12 14 16 18] [--device cpu|cuda] [--naive 2]

RY/RZ/CX layers (3), open Ising chain with a field, one thread, single precision, CPU seconds (wall
seconds on CUDA). Peers in the same run: Aer's parameter shift as a first draft has it (bind,
transpile, run, 2P times) and as the best Aer does it (all shifted circuits in one run by
`parameter_binds`). Both are timed on a sample of their 2P evaluations and scaled up; the sample of
the second grows until it takes a second, so that what a call costs whatever its size counts little.
All gradients are compared with each other.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import report

LAYERS = 3
_ENOUGH_S = 1.0


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, nargs="+", default=[8, 10, 12, 14, 16, 18])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--naive", type=int, default=2, help="circuits of the naive row, 0: none")
    parser.add_argument("--no-aer", action="store_true", help="where Aer is not installed")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(1)
    rows = []
    for qubits in options.qubits:
        report.progress(f"{qubits} qubits")
        rows.append(measured(qubits, options))
    packages = ["torch"] if options.no_aer else ["torch", "qiskit", "qiskit-aer"]
    where = f"{options.device}, 1 thread"
    publish = {"packages": packages, "note": f"milliseconds a gradient of P parameters; {where}"}
    report.publish("gradient", rows, **publish)  # type: ignore[arg-type]


def measured(qubits: int, options: argparse.Namespace) -> dict[str, object]:
    """The row of one width."""
    import numpy as np

    values = np.random.default_rng(0).uniform(-np.pi, np.pi, 2 * qubits * (LAYERS + 1))
    row: dict[str, object] = {"qubits": qubits, "P": len(values)}
    adjoint = ours(qubits, options.device)
    clock = time.process_time if options.device == "cpu" else time.perf_counter
    gradient = adjoint(values)
    row["adjoint_ms"] = 1e3 * median(lambda: adjoint(values), clock, 7)
    if options.no_aer:
        return row
    best = AerShift(qubits)
    count, took = best.sample(values, clock)
    row["aer_binds_ms"] = 1e3 * took * 2 * len(values) / count
    row["x_best"] = float(row["aer_binds_ms"]) / float(row["adjoint_ms"])  # type: ignore[arg-type]
    picked = [0, len(values) // 2, len(values) - 1]
    theirs = best.slopes(values, picked)
    row["largest_difference"] = float(max(abs(gradient[i] - theirs[i]) for i in picked))
    if options.naive:
        took = median(lambda: best.naive(values), clock, options.naive)
        row["aer_naive_ms"] = 1e3 * took * 2 * len(values)
        row["x_naive"] = float(row["aer_naive_ms"]) / float(row["adjoint_ms"])  # type: ignore[arg-type]
    return row


def ours(qubits: int, device: str) -> Callable[[Any], Any]:
    """The gradient as `blocks.vqe` computes it, in single precision."""
    import torch

    from chimera_pipelines.learning.vqe import ansatz_minimiser
    from chimera_pipelines.quantum.observables import Observable

    evaluate = ansatz_minimiser(
        Observable.from_json(ising(qubits), qubits),
        LAYERS,
        device=device,
        precision="single",
        starts=1,
    )
    return lambda values: evaluate(torch.tensor(values)[None])[1][0].numpy()


def ising(qubits: int) -> dict[str, float]:
    """-sum ZZ - 0.7 sum X on an open chain."""
    strings = {}
    for qubit in range(qubits):
        letters = ["I"] * qubits
        letters[qubit] = "X"
        strings["".join(letters)] = -0.7
        if qubit + 1 < qubits:
            letters[qubit] = letters[qubit + 1] = "Z"
            strings["".join(letters)] = -1.0
    return strings


class AerShift:
    """Parameter shift on Aer's state vector, single precision, one thread."""

    def __init__(self, qubits: int) -> None:
        from qiskit import QuantumCircuit
        from qiskit.circuit import ParameterVector
        from qiskit.quantum_info import SparsePauliOp
        from qiskit_aer import AerSimulator

        self._simulator = AerSimulator(
            method="statevector",
            precision="single",
            max_parallel_threads=1,
            enable_truncation=False,
        )
        self._angles = ParameterVector("t", 2 * qubits * (LAYERS + 1))
        self._circuit = QuantumCircuit(qubits)
        for layer in range(LAYERS + 1):
            first = 2 * qubits * layer
            for qubit in range(qubits):
                self._circuit.ry(self._angles[first + qubit], qubit)
            for qubit in range(qubits):
                self._circuit.rz(self._angles[first + qubits + qubit], qubit)
            if layer < LAYERS:
                for qubit in range(qubits - 1):
                    self._circuit.cx(qubit, qubit + 1)
        strings = SparsePauliOp.from_list(list(ising(qubits).items()))
        self._circuit.save_expectation_value(strings, range(qubits))

    def energies(self, rows: Any) -> list[float]:
        """Energies of all rows of angles in one run."""
        binds = {angle: list(rows[:, i]) for i, angle in enumerate(self._angles)}
        result = self._simulator.run(self._circuit, parameter_binds=[binds]).result()
        return [result.data(i)["expectation_value"] for i in range(len(rows))]

    def shifted(self, values: Any, indices: Sequence[int]) -> Any:
        """For each index the row with that angle a quarter turn more, then one with it less."""
        import numpy as np

        rows = np.repeat(values[None], 2 * len(indices), axis=0)
        for place, index in enumerate(indices):
            rows[2 * place, index] += np.pi / 2
            rows[2 * place + 1, index] -= np.pi / 2
        return rows

    def slopes(self, values: Any, indices: Sequence[int]) -> dict[int, float]:
        """Derivatives by some parameters."""
        found = self.energies(self.shifted(values, indices))
        return {
            index: (found[2 * place] - found[2 * place + 1]) / 2
            for place, index in enumerate(indices)
        }

    def sample(self, values: Any, clock: Callable[[], float]) -> tuple[int, float]:
        """Evaluations in a run that takes long enough, at most all of them, and its seconds."""
        parameters = 1
        while True:
            rows = self.shifted(values, range(parameters))
            started = clock()
            self.energies(rows)
            took = clock() - started
            if took > _ENOUGH_S or parameters == len(values):
                return len(rows), took
            parameters = min(4 * parameters, len(values))

    def naive(self, values: Any) -> float:
        """One evaluation as a first draft has it."""
        from qiskit import transpile

        bound = self._circuit.assign_parameters(values)
        done = self._simulator.run(transpile(bound, self._simulator)).result()
        return float(done.data(0)["expectation_value"])


def median(work: Callable[[], object], clock: Callable[[], float], times: int) -> float:
    """Median seconds by `clock`."""
    taken = []
    for _ in range(times):
        started = clock()
        work()
        taken.append(clock() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
