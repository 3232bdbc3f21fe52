"""The same computation on the CPU and on a GPU, number by number, and how long each takes.

    python -m benchmarks.devices [--qubits 12 20] [--device cuda]

Rows of embedded features, a Trotter evolution, a gradient, VQE after 25 iterations and samples of
one seed, in double and in single precision. `apart` is the largest difference of any two numbers;
counts must be equal. Exit code 1 when one is further apart than LIMITS. Times are of warm calls.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks import report
from benchmarks.gradient import ising
from chimera_pipelines.learning.vqe import Descending, ansatz_minimiser, vqe
from chimera_pipelines.quantum.embedding import METHODS, Embedding
from chimera_pipelines.quantum.embedding_states import embedded_states
from chimera_pipelines.quantum.evolution import Piece, suzuki_trotter
from chimera_pipelines.quantum.evolution_states import program
from chimera_pipelines.quantum.hamiltonian import PauliSum
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.sampling import generator, sample

LIMITS = {"double": 1e-9, "single": 1e-4}
LAYERS, ROWS, STEPS, SHOTS, SEED = 3, 32, 20, 65_536, 7

Work = Callable[[str], Any]


def main() -> None:
    """Compare, publish, and fail where the devices disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, nargs="+", default=[12, 20])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rows = []
    for qubits in options.qubits:
        for precision in LIMITS:
            for name, work in works(qubits, precision):
                report.progress(f"{name}, {qubits} qubits, {precision}")
                row = {"what": name, "qubits": qubits, "precision": precision}
                rows.append(row | compared(work, options.device, options.repeats))
    report.publish("devices", rows, packages=["torch"], note=f"cpu against {options.device}")
    wrong = [row for row in rows if row["apart"] > LIMITS[row["precision"]]]  # type: ignore[index,operator]
    sys.exit(f"{len(wrong)} results differ: {wrong[:3]}" if wrong else 0)


def works(qubits: int, precision: str) -> Iterator[tuple[str, Work]]:
    """What is computed, each by the device that it gets."""
    yield from embeddings(min(qubits, 12), precision)
    hamiltonian = PauliSum.from_json(ising(qubits), qubits)
    formula = suzuki_trotter([Piece(hamiltonian, 1.0)], order=2, steps=STEPS)

    def evolved(device: str) -> torch.Tensor:
        state = torch.zeros(1 << qubits, dtype=DTYPES[precision], device=device)
        state[0] = 1.0
        return program(formula, device=device, precision=precision).evolve(state)

    yield "trotter", evolved
    observable = Observable.from_json(ising(qubits), qubits)

    def gradient(device: str) -> torch.Tensor:
        evaluate = ansatz_minimiser(
            observable, LAYERS, device=device, precision=precision, starts=1
        )
        size = evaluate.simulator.program.num_parameters
        return evaluate(torch.linspace(-1.0, 1.0, size, dtype=torch.float64)[None])[1]

    yield "gradient", gradient
    state = evolved("cpu")

    def counts(device: str) -> torch.Tensor:
        found = sample(state.to(device), SHOTS, generator(SEED))
        return torch.tensor(sorted(found.items()), dtype=torch.float64)

    yield "counts", counts
    if qubits <= 12 and precision == "double":  # Adam divides by slopes: single precision drifts
        descending = Descending(iterations=25, seed=SEED)

        def learned(device: str) -> torch.Tensor:
            found = vqe(
                observable, layers=LAYERS, options=descending, device=device, precision=precision
            )
            return torch.tensor([found.energy, *found.parameters], dtype=torch.float64)

        yield "vqe", learned


DTYPES = {"double": torch.complex128, "single": torch.complex64}


def embeddings(qubits: int, precision: str) -> Iterator[tuple[str, Work]]:
    """Rows of random features by each method."""
    draw = torch.Generator().manual_seed(SEED)
    for method in METHODS:
        width = 1 << qubits if method == "amplitude" else qubits
        features = torch.randn(ROWS, width, generator=draw, dtype=torch.float64)
        if method == "basis":
            features = (features > 0).double()
        embedding = Embedding.of(method)
        yield (
            f"embedding {method}",
            lambda device, embedding=embedding, features=features: embedded_states(
                embedding, features.to(device), qubits, precision=precision
            ),
        )


def compared(work: Work, device: str, repeats: int) -> dict[str, object]:
    """Largest difference, milliseconds of both, and how many times the device is faster."""
    host, there = work("cpu"), work(device).cpu()
    same = host.shape == there.shape
    apart = float((host.cpu() - there).abs().max()) if same else float("inf")
    times = {name: timed(work, name, repeats) for name in ("cpu", device)}
    return {
        "apart": apart,
        "cpu_ms": times["cpu"],
        "device_ms": times[device],
        "ratio": times["cpu"] / times[device],
    }


def timed(work: Work, device: str, repeats: int) -> float:
    """Milliseconds of the fastest call."""
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        work(device)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 1e3 * best


if __name__ == "__main__":
    main()
