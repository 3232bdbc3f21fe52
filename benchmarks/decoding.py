"""Decoding of surface-code memories on one core: microseconds a round, against PyMatching alone.

    python -m benchmarks.decoding [--seconds 1] [--only batch|table|windows]

Noise model uniform, memory Z, as many rounds as the distance, shots packed eight detectors a byte
in and out; sampling is not timed. Times are processor times of the fastest of several repetitions,
peer and ours in turn in the same loop.

* batch: `pymatching` (exact projection on one basis) against its peer, `pymatching.Matching` on
  stim's decomposed model of both bases as `sinter` would use it, and with correlations.
* table: the exact table at distance 3 against PyMatching, on the projection and on both bases.
* windows: a memory of ten times the distance in windows against one global decode.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import report

BATCH = ((3, 0.001), (3, 0.005), (5, 0.001), (5, 0.005), (5, 0.01), (7, 0.001), (7, 0.005))
BATCH_FAR = ((9, 0.001), (9, 0.005), (11, 0.001), (13, 0.001), (13, 0.005))
WINDOWS = ((3, 0.005), (5, 0.001), (5, 0.005), (7, 0.005))
REPETITIONS = 3


def fastest(works: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Processor seconds of the fastest repetition of each, taken in turn."""
    best = dict.fromkeys(works, float("inf"))
    until = time.process_time() + seconds * len(works)
    turns = 0
    while turns < REPETITIONS or time.process_time() < until:
        for name, work in works.items():
            started = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - started)
        turns += 1
    return best


def decoding(compiled: Any, events: Any) -> Callable[[], Any]:
    return lambda: compiled.decode_shots_bit_packed(bit_packed_detection_event_data=events)


def shots_of(distance: int, physical: float, rounds: int) -> int:
    """Shots that take some hundredths of a second."""
    defects = 20 * distance**2 * rounds * physical
    return max(256, min(400_000, int(200_000 / (1 + defects**1.3))))


def sampled(circuit: Any, shots: int) -> tuple[Any, Any]:
    sampler = circuit.compile_detector_sampler(seed=7)
    events, flips = sampler.sample(shots, separate_observables=True, bit_packed=True)
    return events, flips


def batch(distance: int, physical: float, seconds: float) -> dict[str, object]:
    import pymatching

    from chimera_pipelines.qec.circuits import memory_circuit
    from chimera_pipelines.qec.decoders import decoder
    from chimera_pipelines.qec.projection import basis_detectors, one_basis

    circuit = memory_circuit(distance, distance, noise="uniform", physical=physical)
    basis = one_basis(circuit)
    shots = shots_of(distance, physical, distance)
    edges = circuit.detector_error_model(decompose_errors=True)
    both, flips = sampled(circuit, shots)
    bits = np.unpackbits(both, axis=1, count=circuit.num_detectors, bitorder="little")
    kept = np.packbits(bits[:, list(basis_detectors(circuit))], axis=1, bitorder="little")
    peer = pymatching.Matching.from_detector_error_model(edges)
    ours = decoder("pymatching").compile_decoder_for_dem(dem=basis.detector_error_model())
    twice = decoder("pymatching_correlated").compile_decoder_for_dem(dem=edges)
    works: dict[str, Callable[[], Any]] = {
        "peer": lambda: peer.decode_batch(both, bit_packed_shots=True, bit_packed_predictions=True),
        "ours": decoding(ours, kept),
        "correlated": decoding(twice, both),
    }
    found = fastest(works, seconds)
    wrong = {name: float((work() != flips).mean()) for name, work in works.items()}
    us = {name: 1e6 * taken / shots / distance for name, taken in found.items()}
    return {
        "what": "batch",
        "d": distance,
        "p": physical,
        "shots": shots,
        "peer_us_round": us["peer"],
        "ours_us_round": us["ours"],
        "correlated_us_round": us["correlated"],
        "ratio": us["peer"] / us["ours"],
        "peer_rate": wrong["peer"],
        "ours_rate": wrong["ours"],
        "correlated_rate": wrong["correlated"],
    }


def table(physical: float, seconds: float) -> dict[str, object]:
    from chimera_pipelines.qec.circuits import memory_circuit
    from chimera_pipelines.qec.decoders import decoder
    from chimera_pipelines.qec.projection import basis_detectors, one_basis

    circuit = memory_circuit(3, 3, noise="uniform", physical=physical)
    shots = 1_000_000
    events, flips = sampled(circuit, shots)
    bits = np.unpackbits(events, axis=1, count=circuit.num_detectors, bitorder="little")
    kept = np.packbits(bits[:, list(basis_detectors(circuit))], axis=1, bitorder="little")
    started = time.process_time()
    exact = decoder("table").compile_decoder_for_dem(dem=circuit.detector_error_model())
    built = time.process_time() - started
    edges = circuit.detector_error_model(decompose_errors=True)
    both = decoder("pymatching").compile_decoder_for_dem(dem=edges)
    one = decoder("pymatching").compile_decoder_for_dem(
        dem=one_basis(circuit).detector_error_model()
    )
    works = {
        "table": decoding(exact, events),
        "both": decoding(both, events),
        "basis": decoding(one, kept),
    }
    found = fastest(works, seconds)
    return {
        "what": "table",
        "p": physical,
        "build_s": built,
        "table_ns_shot": 1e9 * found["table"] / shots,
        "both_bases_ratio": found["both"] / found["table"],
        "basis_ratio": found["basis"] / found["table"],
        "optimum": exact.table.error,
        **{f"{name}_rate": float((work() != flips).mean()) for name, work in works.items()},
    }


def windows(distance: int, physical: float, seconds: float) -> list[dict[str, object]]:
    from chimera_pipelines.qec.circuits import memory_circuit
    from chimera_pipelines.qec.decoders import decoder
    from chimera_pipelines.qec.projection import one_basis

    rounds = 10 * distance
    basis = one_basis(memory_circuit(distance, rounds, noise="uniform", physical=physical))
    model, shots = basis.detector_error_model(), 4 * shots_of(distance, physical, rounds)
    events, flips = sampled(basis, shots)
    half = (distance + 1) // 2
    sizes = {
        "d + d": (distance, distance),
        "d/2 + d": (half, distance),
        "d + d/2": (distance, half),
        "d + 0": (distance, 0),
    }
    works = {
        name: decoding(
            decoder("window", commit=c, buffer=b).compile_decoder_for_dem(dem=model), events
        )
        for name, (c, b) in sizes.items()
    }
    whole = decoding(decoder("pymatching").compile_decoder_for_dem(dem=model), events)
    found = fastest({"global": whole, **works}, seconds)
    wrong = {name: (work() != flips)[:, 0] for name, work in {"global": whole, **works}.items()}
    return [
        {
            "what": "windows",
            "d": distance,
            "p": physical,
            "shots": shots,
            "commit + buffer": name,
            "us_round": 1e6 * taken / shots / rounds,
            "to_global": taken / found["global"],
            "rate": float(wrong[name].mean()),
            "rate_to_global": float(wrong[name].sum() / max(1, wrong["global"].sum())),
            "worse": int((wrong[name] & ~wrong["global"]).sum()),
            "better": int((wrong["global"] & ~wrong[name]).sum()),
        }
        for name, taken in found.items()
    ]


def rows(only: str | None, seconds: float, places: Sequence[tuple[int, float]]) -> list[Any]:
    found: list[Any] = []
    for distance, physical in places if only in (None, "batch") else ():
        report.progress(f"batch d={distance} p={physical}")
        found.append(batch(distance, physical, seconds))
    for physical in (0.001, 0.005, 0.01) if only in (None, "table") else ():
        report.progress(f"table p={physical}")
        found.append(table(physical, seconds))
    for distance, physical in WINDOWS if only in (None, "windows") else ():
        report.progress(f"windows d={distance} p={physical}")
        found += windows(distance, physical, seconds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="processor seconds a decoder")
    parser.add_argument("--only", choices=("batch", "table", "windows"))
    parser.add_argument("--near", action="store_true", help="distances up to 7 alone")
    asked = parser.parse_args()
    places = BATCH if asked.near else (*BATCH, *BATCH_FAR)
    found = rows(asked.only, asked.seconds, places)
    for what in ("batch", "table", "windows"):
        report.progress("\n" + report.table([row for row in found if row["what"] == what] or [{}]))
    report.publish("decoding", found, packages=("stim", "pymatching", "sinter"), quiet=True)


if __name__ == "__main__":
    main()
