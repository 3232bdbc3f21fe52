"""The neural pre-decoder in front of matching: accuracy, defects left, matching time saved.

    python -m benchmarks.predecoder [--device cuda] [--shots 200000] [--steps 1500] [--json]

Trained on d = 5 under uniform noise at p = 0.8 %, then used as it is at other distances and rates.
Paired with matching alone on the same shots: `only_pre` and `only_mwpm` are shots that one alone
gets wrong. `matching_ratio`: processor time of matching all defects over that of the defects left.
`network_us`: time of the network for one shot, in batches of 2,048. `differ`: predictions of the
first 2,048 shots that differ from those of the CPU.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from benchmarks import report
from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.decoders import PyMatchingDecoder
from chimera_pipelines.qec.predecoder import PreDecoder
from chimera_pipelines.qec.predecoder_network import PredecoderWeights, train
from chimera_pipelines.qec.projection import one_basis

CASES = ((5, 0.008), (5, 0.005), (7, 0.005), (9, 0.005), (9, 0.003))
THRESHOLDS = (0.9, 0.5)
PIECE = 2048


class Timed:
    """A decoder whose processor time is added up."""

    def __init__(self, inner: PyMatchingDecoder) -> None:
        self.inner, self.seconds = inner, 0.0

    def compile_decoder_for_dem(self, *, dem: object) -> Timed:
        """Itself, for the model."""
        self.compiled = self.inner.compile_decoder_for_dem(dem=dem)
        return self

    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: np.ndarray) -> np.ndarray:
        """What the decoder says."""
        began = time.process_time()
        found = self.compiled.decode_shots_bit_packed(
            bit_packed_detection_event_data=bit_packed_detection_event_data
        )
        self.seconds += time.process_time() - began
        return found


def row_of(
    weights: PredecoderWeights, case: tuple[int, float], threshold: float, shots: int, device: str
) -> dict[str, object]:
    """Figures of one distance, rate and threshold."""
    distance, physical = case
    circuit = one_basis(memory_circuit(distance, distance, noise="uniform", physical=physical))
    model = circuit.detector_error_model()
    events, flips = circuit.compile_detector_sampler(seed=5).sample(
        shots, separate_observables=True, bit_packed=True
    )
    alone = Timed(PyMatchingDecoder()).compile_decoder_for_dem(dem=model)
    guess = np.concatenate(
        [
            alone.decode_shots_bit_packed(bit_packed_detection_event_data=events[n : n + PIECE])
            for n in range(0, shots, PIECE)
        ]
    )
    behind = Timed(PyMatchingDecoder())
    made = PreDecoder(weights=weights, threshold=threshold, device=device, inner=behind)
    compiled = made.compile_decoder_for_dem(dem=model)
    first = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=events[:PIECE])
    compiled.defects_in = compiled.defects_left = 0
    behind.seconds, began = 0.0, time.perf_counter()
    ours = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=events)
    wall = time.perf_counter() - began
    on_cpu = PreDecoder(weights=weights, threshold=threshold).compile_decoder_for_dem(dem=model)
    reference = on_cpu.decode_shots_bit_packed(bit_packed_detection_event_data=events[:PIECE])
    wrong, theirs = (ours != flips).any(axis=1), (guess != flips).any(axis=1)
    return {
        "distance": distance,
        "physical": physical,
        "threshold": threshold,
        "mwpm": float(theirs.mean()),
        "pre": float(wrong.mean()),
        "only_pre": int((wrong & ~theirs).sum()),
        "only_mwpm": int((theirs & ~wrong).sum()),
        "defects_left": compiled.defects_left / max(1, compiled.defects_in),
        "matching_ratio": alone.seconds / behind.seconds,
        "network_us": (wall - behind.seconds) / shots * 1e6,
        "differ": int((first != reference).any(axis=1).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shots", type=int, default=200_000)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--json", action="store_true", help="no table: the JSON alone")
    options = parser.parse_args()
    circuit = one_basis(memory_circuit(5, 5, noise="uniform", physical=0.008))
    model = circuit.detector_error_model()
    began = time.perf_counter()
    weights = train(model, steps=options.steps, seed=1, device=options.device)
    trained = time.perf_counter() - began
    twice = [train(model, steps=20, seed=1, device=options.device) for _ in range(2)]
    same = all(torch.equal(one, twice[1].state[name]) for name, one in twice[0].state.items())
    rows = [
        row_of(weights, case, threshold, options.shots, options.device)
        for case in CASES
        for threshold in THRESHOLDS
    ]
    name = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    note = f"on {name}; trained in {trained:.0f} s; equal weights under one seed: {same}"
    packages = ["stim", "pymatching", "torch"]
    report.publish("predecoder", rows, packages=packages, note=note, quiet=options.json)


if __name__ == "__main__":
    main()
