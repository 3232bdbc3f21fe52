"""Shots of a state vector against torch.multinomial and numpy's Generator.choice.

    python -m benchmarks.sampling [--qubits 16 20 24] [--shots 1024 65536] [--device cpu]

Everybody starts from the state and ends with an array of outcomes, so |amplitude|² is part of each
time. `chosen` is what a head calls, which does not know the maximum of |amplitude|²; `rejection` is
told it. On the CPU one thread is used and CPU seconds are counted; on a GPU wall seconds, with the
uniform numbers drawn on the host. `equal` says whether numpy and torch gave the same counts for the
same seed, on the device too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from benchmarks import report
from chimera_pipelines.quantum import sampling
from chimera_pipelines.quantum.samplers import inverse
from chimera_pipelines.quantum.samplers.amplitudes import amplitudes_of, cumulative_of
from chimera_pipelines.quantum.samplers.choice import MAX_CUMULATIVE, MAX_PROPOSALS
from chimera_pipelines.quantum.samplers.rejection import rejection

State = npt.NDArray[np.complex128]
MAX_MULTINOMIAL = 1 << 24
SLOW = 1 << 20  # amplitudes, from which on fewer repetitions do


def state_of(shape: str, qubits: int) -> State:
    if shape == "ghz":
        state = np.zeros(1 << qubits, dtype=np.complex128)
        state[[0, -1]] = 0.5**0.5
        return state
    generator = np.random.default_rng(qubits)
    state = generator.normal(size=2 << qubits).view(np.complex128)
    state /= np.linalg.norm(state)
    return state


def seconds(work: Callable[[], object], size: int, device: str) -> float:
    """Of the fastest run."""
    best = float("inf")
    for _ in range(3 if size > SLOW else 15):
        started = _now(device)
        work()
        best = min(best, _now(device) - started)
    return best


def _now(device: str) -> float:
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def by_choice(state: State, shots: int) -> npt.NDArray[np.int64]:
    chances = sampling.weights(state)
    return np.random.default_rng(1).choice(state.size, size=shots, p=chances / chances.sum())


def by_multinomial(state: torch.Tensor, shots: int) -> torch.Tensor:
    pairs = torch.view_as_real(state)
    return torch.multinomial((pairs * pairs).sum(dim=-1), shots, replacement=True).cpu()


def row(shape: str, qubits: int, shots: int, device: str) -> dict[str, object]:
    report.progress(f"{shape} {qubits} qubits, {shots} shots")
    host = state_of(shape, qubits)
    tensor = torch.from_numpy(host).to(device)
    there = host if device == "cpu" else tensor
    size, top = host.size, float(sampling.weights(host).max())

    def rng() -> np.random.Generator:
        return sampling.generator(1, qubits)

    def timed(work: Callable[[], object], *, able: bool = True) -> float | None:
        return 1e3 * seconds(work, size, device) if able else None

    found: dict[str, object] = {"state": shape, "qubits": qubits, "shots": shots}
    chosen = timed(lambda: sampling.sample(there, shots, rng()))
    found["chosen_ms"] = chosen
    found["two_level_ms"] = timed(lambda: inverse.two_level(amplitudes_of(there), shots, rng()))
    found["cdf_ms"] = timed(
        lambda: inverse.cumulated(cumulative_of(there), shots, rng()),
        able=size <= MAX_CUMULATIVE or device != "cpu",
    )
    found["rejection_ms"] = timed(
        lambda: rejection(amplitudes_of(there), shots, rng(), top), able=size * top < MAX_PROPOSALS
    )
    multinomial = timed(lambda: by_multinomial(tensor, shots), able=size <= MAX_MULTINOMIAL)
    numpy_choice = timed(lambda: by_choice(host, shots), able=device == "cpu")
    found |= {"multinomial_ms": multinomial, "numpy_choice_ms": numpy_choice}
    assert chosen is not None
    found["to_multinomial"] = multinomial and multinomial / chosen
    found["to_numpy"] = numpy_choice and numpy_choice / chosen
    found["equal"] = str(
        all(
            sampling.sample(host, shots, rng(), maximum=known)
            == sampling.sample(tensor, shots, rng(), maximum=known)
            for known in (None, top)
        )
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--qubits", type=int, nargs="+", default=[10, 16, 20, 24])
    parser.add_argument("--shots", type=int, nargs="+", default=[1024, 65_536])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.device == "cpu":
        torch.set_num_threads(1)
    rows = [
        row(shape, qubits, shots, options.device)
        for shape in ("random", "ghz")
        for qubits in options.qubits
        for shots in options.shots
    ]
    report.publish(
        "sampling",
        rows,
        packages=("numpy", "torch"),
        note="milliseconds; to_* are how many times longer the peer took than `chosen`",
    )


if __name__ == "__main__":
    main()
