"""Batched inference, Gram matrices, and half precision in a learning head.

    python -m benchmarks.inference [--qubits 6 8 10 12 14 16] [--device cpu|cuda] [--half]

*Batched*: states of 64 rows of features (`iqp` embedding) and their Gram matrix, rows in one batch
against one row at a time by the same code, and against Aer: one state a row with bound parameters
in one run, then the same matrix product. *Half*: training steps of the syndrome classifier with
wide layers under autocast, in TFLOP/s of its matrix products (6 floating-point operations a weight
and row), on CUDA. CPU seconds on one thread; wall seconds on CUDA.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

from benchmarks import report
from benchmarks.gradient import median

ROWS = 64


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, nargs="+", default=[4, 6, 8, 10, 12, 14, 16])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--half", action="store_true", help="float16 and bfloat16, needs CUDA")
    parser.add_argument("--no-aer", action="store_true", help="where Aer is not installed")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import torch

    torch.set_num_threads(1)
    packages = ["torch"] if options.no_aer else ["torch", "qiskit", "qiskit-aer"]
    rows = []
    for qubits in options.qubits:
        report.progress(f"{qubits} qubits")
        rows.append(batched(qubits, options))
    note = f"milliseconds for {ROWS} rows; {options.device}, 1 thread"
    report.publish("inference", rows, packages=packages, note=note)
    if options.half:
        found = [half(precision, width) for width in (2048, 8192) for precision in PRECISIONS]
        report.publish("half precision", found, packages=["torch"], note="syndrome classifier")


def batched(qubits: int, options: argparse.Namespace) -> dict[str, object]:
    """The row of one width."""
    import torch

    from chimera_pipelines.learning.kernels import StateMaker, fidelities
    from chimera_pipelines.quantum.embedding import Embedding

    cuda = options.device == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    rows = torch.randn(ROWS, qubits, generator=torch.Generator().manual_seed(0)).double()
    maker = StateMaker(Embedding.of("iqp"), qubits, device=options.device, precision="single")

    def states(batch: int | None) -> Any:
        found = maker.states(rows, batch=batch)
        if cuda:
            torch.cuda.synchronize()
        return found

    def timed(work: Callable[[], object]) -> float:
        work()
        return 1e3 * median(work, clock, 5)

    row: dict[str, object] = {"qubits": qubits}
    one = row["one_by_one_ms"] = timed(lambda: states(1))
    whole = row["one_batch_ms"] = timed(lambda: states(ROWS))
    chosen = row["chosen_ms"] = timed(lambda: states(None))
    row["x_batch"], row["x_chosen"] = one / whole, one / chosen

    def gram_of(found: Any) -> Any:
        return fidelities(found, found)

    gram = row["gram_ms"] = timed(lambda: gram_of(states(None)))
    if not options.no_aer:
        theirs = aer_states(qubits, rows.numpy())
        row["aer_states_ms"] = timed(theirs)
        row["aer_gram_ms"] = timed(lambda: gram_of(torch.tensor(theirs())))
        row["x_aer_gram"] = float(row["aer_gram_ms"]) / gram  # type: ignore[arg-type]
        deviation = gram_of(states(None)) - gram_of(torch.tensor(theirs()))
        row["largest_difference"] = float(deviation.abs().max())
    return row


def aer_states(qubits: int, rows: Any) -> Callable[[], Any]:
    """The same states by Aer, parameters bound in one run of a circuit that is transpiled once."""
    import numpy as np
    from qiskit import QuantumCircuit, transpile
    from qiskit.circuit import ParameterVector
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(method="statevector", precision="single", max_parallel_threads=1)
    pairs = [(p, q) for q in range(qubits) for p in range(q)]
    angles = ParameterVector("x", qubits + len(pairs))
    circuit = QuantumCircuit(qubits)
    for _ in range(2):
        circuit.h(range(qubits))
        for qubit in range(qubits):
            circuit.rz(angles[qubit], qubit)
        for at, (p, q) in enumerate(pairs):
            circuit.rzz(angles[qubits + at], p, q)
    circuit.save_statevector()
    ready = transpile(circuit, simulator)
    products = [rows[:, p] * rows[:, q] for p, q in pairs]
    values = np.column_stack((rows, *products))
    binds = [{angle: list(values[:, i]) for i, angle in enumerate(angles)}]

    def run() -> Any:
        result = simulator.run(ready, parameter_binds=binds).result()
        return np.array([np.asarray(result.data(i)["statevector"]) for i in range(len(rows))])

    return run


PRECISIONS = ("float32", "float16", "bfloat16")


def half(precision: str, width: int, *, batch: int = 16_384, steps: int = 30) -> dict[str, object]:
    """Sustained TFLOP/s of training steps of the syndrome classifier on CUDA."""
    import torch

    from chimera_pipelines.learning.syndrome import Trainer, Training

    generator = torch.Generator().manual_seed(0)
    detectors = (torch.rand(batch, 1024, generator=generator) < 0.1).float()
    flips = (detectors.sum(1, keepdim=True) % 2).float()
    training = Training(hidden=width, depth=4, precision=precision, rate=1e-4)
    trainer = Trainer(detectors, flips, training, device="cuda")
    inputs, targets = detectors.cuda(), flips.cuda()
    for _ in range(5):
        trainer.step(inputs, targets)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(steps):
        loss = trainer.step(inputs, targets)
    torch.cuda.synchronize()
    took = (time.perf_counter() - started) / steps
    weights = sum(p.numel() for p in trainer.network.parameters() if p.ndim > 1)
    return {
        "precision": precision,
        "width": width,
        "batch": batch,
        "step_ms": 1e3 * took,
        "tflops": 6 * weights * batch / took / 1e12,
        "loss": float(loss),
    }


if __name__ == "__main__":
    main()
