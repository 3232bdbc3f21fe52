"""Trotter evolution of a transverse Ising chain: fused passes in torch against Aer.

    python -m benchmarks.trotter [--qubits 10 14 18] [--steps 10] [--repeats 15] [--device cpu]

Ten second-order steps from |0…0> in single precision, on one thread. `torch` is
`quantum.evolution_states` with its phases and blocks kept, as every further state finds them;
`made` is what making them takes. `aer` runs the same circuit, transpiled once, on a kept simulator:
`aer_run` as a caller sees it, `aer_inside` what its simulation alone reports (wall time), without
the fixed cost of a call. CPU seconds, which other load disturbs least (wall seconds on a GPU),
fastest of the repeats, taken in turns. `apart` is the largest difference of an amplitude.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from qiskit_aer import AerSimulator

from benchmarks import report
from chimera_pipelines.quantum.engines.aer_program import pass_manager
from chimera_pipelines.quantum.evolution import Formula, Piece, suzuki_trotter
from chimera_pipelines.quantum.evolution_circuits import append
from chimera_pipelines.quantum.evolution_states import program
from chimera_pipelines.quantum.hamiltonian import PauliSum
from chimera_pipelines.quantum.operations import Register
from chimera_pipelines.quantum.read import to_qiskit
from chimera_pipelines.quantum.record import CircuitRecord


def chain(qubits: int, steps: int) -> Formula:
    """Evolution for unit time under -Σ ZZ - Σ X on an open chain."""
    strings: dict[str, float] = {}
    for q in range(qubits):
        strings["I" * (qubits - 1 - q) + "X" + "I" * q] = -1.0
        if q + 1 < qubits:
            strings["I" * (qubits - 2 - q) + "ZZ" + "I" * q] = -1.0
    return suzuki_trotter([Piece(PauliSum.from_json(strings, qubits), 1.0)], order=2, steps=steps)


def compare(qubits: int, steps: int, repeats: int, device: str) -> dict[str, object]:
    """One row: seconds of both, and how far apart the states are."""
    formula = chain(qubits, steps)
    clock = time.process_time if device == "cpu" else time.perf_counter
    started = clock()
    ours = program(formula, device=device, precision="single")
    state = torch.zeros(1 << qubits, dtype=torch.complex64, device=device)
    state[0] = 1.0
    ours.evolve(state)
    _wait(device)
    made = clock() - started
    simulator, circuit = with_aer(formula, device)
    fused, outside, inside = [], [], []
    for _ in range(repeats):
        started = clock()
        found = ours.evolve(state)
        _wait(device)
        fused.append(clock() - started)
        started = clock()
        result: Any = simulator.run(circuit).result()
        outside.append(clock() - started)
        inside.append(float(result.results[0].time_taken))
    theirs = np.asarray(result.data(0)["statevector"])
    return {
        "qubits": qubits,
        "torch_ms": 1e3 * min(fused),
        "made_ms": 1e3 * made,
        "aer_run_ms": 1e3 * min(outside),
        "aer_inside_ms": 1e3 * min(inside),
        "ratio_run": min(outside) / min(fused),
        "ratio_inside": min(inside) / min(fused),
        "apart": float(np.abs(found.cpu().numpy() - theirs).max()),
        "load": report.load(),
    }


def with_aer(formula: Formula, device: str) -> tuple[AerSimulator, Any]:
    """A kept simulator and the transpiled circuit."""
    n = formula.num_qubits
    blank = CircuitRecord(n, (Register("q", tuple(range(n))),), 0, (), ())
    circuit = pass_manager("statevector").run(to_qiskit(append(blank, formula)))
    circuit.save_statevector()
    simulator = AerSimulator(
        method="statevector",
        precision="single",
        device="GPU" if device == "cuda" else "CPU",
        enable_truncation=False,
        max_parallel_threads=1,
    )
    simulator.run(circuit).result()
    return simulator, circuit


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measures each width and publishes the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--qubits", type=int, nargs="+", default=[10, 14, 18])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for qubits in chosen.qubits:
        report.progress(f"{qubits} qubits")
        rows.append(compare(qubits, chosen.steps, chosen.repeats, chosen.device))
    report.publish("trotter", rows, packages=["torch", "qiskit", "qiskit-aer"])


if __name__ == "__main__":
    main()
