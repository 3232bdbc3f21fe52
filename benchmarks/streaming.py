"""Streaming decoding: microseconds a round, how much of it is hidden, and what the ring carries.

    python -m benchmarks.streaming [--json]

A head (this process) pushes the rounds of a batch of memories, a forked decoder follows in windows
that commit d rounds and look at d more. `us_per_round`: time of decoding a round of one memory, in
batches; `cpu_us_per_round`: its processor time. `one_us_per_round`: the same with one memory alone,
where each window is a call. `overlap`: share of the decoding that was done before the last round
was in, while the head was free to go on. The head simulates the next round meanwhile (stim's
frames, 2,000 memories side by side). `against_serial`: wall time of simulating and decoding one
after the other in one process, over that of the stream. `ring_*`: a ring of 64 slots between two
processes, messages of a round of d = 7 in batches of one, and of 64 KiB.

Frames are compared with offline windows first; a difference ends the program.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator

import numpy as np
import stim

from benchmarks import report
from chimera_pipelines.qec.circuits import memory_circuit
from chimera_pipelines.qec.projection import one_basis
from chimera_pipelines.qec.ring_buffer import SyndromeRingBuffer
from chimera_pipelines.qec.session import DecoderSession
from chimera_pipelines.qec.session_report import SessionReport
from chimera_pipelines.qec.windows import SlidingWindow

DISTANCES = (3, 5, 7)
RATES = (0.001, 0.005)
SHOTS = 2000


def rows_of(distance: int, physical: float) -> dict[str, object]:
    """Figures of one memory of 20 d rounds."""
    rounds = 20 * distance
    circuit = one_basis(memory_circuit(distance, rounds, noise="uniform", physical=physical))
    windows = SlidingWindow(circuit.detector_error_model(), commit=distance, buffer=distance)
    check(circuit, windows)
    batch = best(circuit, windows, SHOTS)
    alone = best(circuit, windows, 1)
    streamed, serial = against_serial(circuit, windows)
    return {
        "distance": distance,
        "physical": physical,
        "us_per_round": batch.us_per_round,
        "cpu_us_per_round": batch.decode_cpu_s * 1e6 / batch.rounds / batch.shots,
        "one_us_per_round": alone.us_per_round,
        "one_cpu_us_per_round": alone.decode_cpu_s * 1e6 / alone.rounds,
        "overlap": streamed.overlap,
        "reaction_ms": streamed.reaction_s * 1e3,
        "against_serial": serial,
        "waits": streamed.ring.waits,
    }


def check(circuit: stim.Circuit, windows: SlidingWindow) -> None:
    """Equal frames, streamed and offline.

    Raises:
        SystemExit: they differ.
    """
    bits = circuit.compile_detector_sampler(seed=3).sample(500)
    with DecoderSession(windows, shots=500) as session:
        push(session, bits)
        if not np.array_equal(session.finish()[:, 0], windows.decode_batch(bits)):
            raise SystemExit("the stream gives other frames than offline windows")


def push(session: DecoderSession, bits: np.ndarray) -> None:
    for number in range(session.rounds):
        session.push_round(bits[:, session.detectors(number)])


def best(circuit: stim.Circuit, windows: SlidingWindow, shots: int) -> SessionReport:
    """The run of five with the least processor time of the decoder."""
    found = []
    for seed in range(5):
        bits = circuit.compile_detector_sampler(seed=seed).sample(shots)
        with DecoderSession(windows, shots=shots, slots=256) as session:
            push(session, bits)
            session.finish(timeout_s=300)
            found.append(session.report())
    return min(found, key=lambda one: one.decode_cpu_s)


def stretches(circuit: stim.Circuit, windows: SlidingWindow) -> list[stim.Circuit]:
    """The circuit cut behind the last detector of each layer."""
    start = int(windows.times.min())
    last = {int(time): int(number) for number, time in enumerate(windows.times)}
    found, part, seen = list[stim.Circuit](), stim.Circuit(), 0
    for one in circuit:
        part.append(one)
        if one.name == "DETECTOR":
            if seen == last[start + len(found)]:
                found.append(part)
                part = stim.Circuit()
            seen += 1
    found[-1] += part
    return found


def simulate(circuit: stim.Circuit, windows: SlidingWindow) -> Iterator[np.ndarray]:
    """A head's work: memories side by side, simulated round by round as stim's frames."""
    simulator = stim.FlipSimulator(batch_size=SHOTS, seed=9, num_qubits=circuit.num_qubits)
    for number, part in enumerate(stretches(circuit, windows)):
        simulator.do(part)
        columns = np.flatnonzero(windows.times == int(windows.times.min()) + number)
        flips = [simulator.get_detector_flips(detector_index=int(d)) for d in columns]
        yield np.stack(flips, axis=1)


def against_serial(circuit: stim.Circuit, windows: SlidingWindow) -> tuple[SessionReport, float]:
    """The stream of the run with the median overlap, and how much longer serial work takes."""
    found = []
    for _ in range(5):
        with DecoderSession(windows, shots=SHOTS, slots=64) as session:
            began = time.perf_counter()
            for bits in simulate(circuit, windows):
                session.push_round(bits, timeout_s=300)
            frame = session.finish(timeout_s=300)
            streamed = time.perf_counter() - began
            told = session.report()
        began = time.perf_counter()
        rounds = list(simulate(circuit, windows))
        order = np.argsort(windows.times, kind="stable")
        bits = np.empty((SHOTS, len(order)), np.uint8)
        bits[:, order] = np.concatenate(rounds, axis=1)
        serial = windows.decode_batch(bits)
        found.append((told.overlap, (time.perf_counter() - began) / streamed, told))
        if not np.array_equal(frame[:, 0], serial):
            raise SystemExit("the stream gives other frames than serial work")
    found.sort(key=lambda one: one[0])
    return found[2][2], sorted(one[1] for one in found)[2]


def ring_figures(size: int, count: int) -> dict[str, object]:
    """What a ring carries from process to process, best of three."""
    found, data = [], os.urandom(size)
    for _ in range(3):
        ring = SyndromeRingBuffer.create(64, size)
        child = os.fork()
        if child == 0:
            while ring.pop() is not None:
                pass
            os._exit(0)
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            ring.push(data)
        ring.end()
        os.waitpid(child, 0)
        found.append(
            (time.perf_counter() - began, time.process_time() - cpu, ring.counters().waits)
        )
        ring.close()
    wall, cpu, waits = min(found)
    return {
        "ring_bytes": size,
        "ring_messages_s": count / wall,
        "ring_mb_s": count * size / wall / 1e6,
        "ring_push_cpu_us": cpu / count * 1e6,
        "waits": waits,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="no table: the JSON alone")
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    for distance in DISTANCES:
        for physical in RATES:
            report.progress(f"d = {distance}, p = {physical}")
            rows.append(rows_of(distance, physical))
    rows += [ring_figures(3, 100_000), ring_figures(65_536, 20_000)]
    report.publish("streaming", rows, packages=["stim", "pymatching", "numpy"], quiet=options.json)


if __name__ == "__main__":
    main()
