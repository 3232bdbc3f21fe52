"""The ring's (4,2) code against memcpy of the same bytes, and a checkpoint's whole way to disk.

    python -m benchmarks.erasure [--mebibytes 1 64 256]

Figures are GB of payload per CPU second of one thread. Copy, encode and rebuild all write to memory
that they allocate, as the ring does; `ratio` is to the copy in the same round.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import report
from chimera_pipelines.ring.code import encode, rebuild
from chimera_pipelines.ring.ring import Ring


def rate(size: int, work: Callable[[], object], rounds: int = 5) -> float:
    """GB of payload per CPU second, best of `rounds`."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return size / best / 1e9


def measure(size: int) -> dict[str, object]:
    data = np.frombuffer(secrets.token_bytes(size), dtype=np.uint8)
    shares = encode(data.data)
    copy = rate(size, data.copy)
    encoded = rate(size, lambda: encode(data.data))
    rebuilt = rate(size, lambda: rebuild({2: shares[2], 3: shares[3]}, size))
    with tempfile.TemporaryDirectory() as folder:
        ring, blob = Ring(Path(folder)), data.tobytes()
        started = time.perf_counter()
        kept = ring.store(blob, document="benchmark", kernel="k", media="application/octet-stream")
        stored = time.perf_counter() - started
        started = time.perf_counter()
        assert ring.rebuild(kept.id, lost=frozenset({"HEAD_1", "HEAD_2"})) == blob
        gathered = time.perf_counter() - started
    return {
        "mebibytes": size >> 20,
        "memcpy_gb_s": copy,
        "encode_gb_s": encoded,
        "encode_ratio": encoded / copy,
        "worst_rebuild_gb_s": rebuilt,
        "rebuild_ratio": rebuilt / copy,
        "ring_store_wall_s": stored,
        "ring_rebuild_wall_s": gathered,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, nargs="+", default=[1, 64, 256])
    options = parser.parse_args()
    rows = [measure(size << 20) for size in options.mebibytes]
    report.publish("erasure", rows, packages=("numpy",))


if __name__ == "__main__":
    main()
