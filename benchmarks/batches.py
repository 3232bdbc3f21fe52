"""Rows of one structure: the torch state vector's batches against Aer on the same circuits.

    python -m benchmarks.batches [--qubits 4 8 12 14] [--rows 8 64 512] [--device cuda]

RY, RZ and CX in three layers, angles new for each row, double precision, one thread of torch; Aer
gets all rows in one call of a circuit transpiled before (`parameter_binds`), as our engine runs it,
on the CPU always. States are compared first; best of three.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks import report


def forms(qubits: int, rows: int) -> list[Any]:
    """Rows of one ansatz, seeded."""
    from qiskit import QuantumCircuit

    from chimera_pipelines.quantum.form import analyse
    from chimera_pipelines.quantum.write import write_record

    rng = np.random.default_rng(qubits)
    made = []
    for _ in range(rows):
        circuit = QuantumCircuit(qubits)
        for _layer in range(3):
            for qubit in range(qubits):
                circuit.ry(rng.uniform(0, 6), qubit)
                circuit.rz(rng.uniform(0, 6), qubit)
            for qubit in range(qubits - 1):
                circuit.cx(qubit, qubit + 1)
        circuit.measure_all()
        made.append(analyse(write_record(circuit)))
    return made


def compared(qubits: int, rows: int, device: str) -> report.Row:
    """Wall milliseconds of both, and how far their states are apart."""
    from chimera_pipelines.quantum.engines.aer import AerEngine
    from chimera_pipelines.quantum.engines.torch_statevector import TorchEngine

    made = forms(qubits, rows)
    aer = AerEngine().compile(made[0], method="statevector", precision="double")
    engine = TorchEngine("GPU" if device == "cuda" else "CPU")
    batch = engine.compile(made[0], method="statevector", precision="double")
    pairs = zip(aer.evolve(made), batch.evolve(made), strict=True)
    apart = max(float(np.abs(one - other).max()) for one, other in pairs)
    slow = report.best_of(3, lambda: aer.evolve(made))
    fast = report.best_of(3, lambda: batch.evolve(made))
    return {
        "qubits": qubits,
        "rows": rows,
        "aer_ms": 1e3 * slow,
        "torch_ms": 1e3 * fast,
        "aer/torch": slow / fast,
        "apart": apart,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, nargs="+", default=[4, 8, 10, 12, 14])
    parser.add_argument("--rows", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    asked = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    results = []
    for qubits in asked.qubits:
        for rows in asked.rows:
            report.progress(f"{rows} rows of {qubits} qubits")
            results.append(compared(qubits, rows, asked.device))
    report.publish("batches", results, packages=("qiskit-aer", "torch"))


if __name__ == "__main__":
    main()
