"""Saving a head's state and bringing it back: the whole way, sealed, coded, in four stores.

    python -m benchmarks.checkpoints [--mebibytes 32 1024] [--folder /dev/shm] [--device cuda]

Each state is saved into slots that are there already, as in a run, and loaded two ways: from
shares 0 and 1, as a rebuild does, and from 2 and 3, which takes the most XORs, into memory that is
new each time. Seconds are medians of wall time; `cpu` is that of all threads.
With `--device cuda` a loaded state is also copied to the GPU.
"""

from __future__ import annotations

import argparse
import gc
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from chimera_pipelines.lifecycle.sealing import Manifests
from chimera_pipelines.ring.seal import Cipher
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.ring.state_records import StateKey
from chimera_pipelines.tickets.head_keys import HeadKeyStore
from chimera_pipelines.tickets.keys import KeyStore

GATEWAY = "gateway://local/benchmark"
SUITES = {"GCM": Cipher.AES_256, "SIV": Cipher.AES_512, "2048": Cipher.AES_2048}


@dataclass(frozen=True)
class Taken:
    """Median seconds of some calls, and processor seconds of the cheapest."""

    wall: float
    cpu: float


def taken(work: Callable[[], object], rounds: int) -> Taken:
    wall, cpu = [], []
    for _ in range(rounds):
        begun, spent = time.perf_counter(), time.process_time()
        found = work()
        wall.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - spent)
        del found
        gc.collect()
    return Taken(statistics.median(wall), min(cpu))


def measure(folder: Path, size: int, suite: str, *, rounds: int, device: str | None) -> report.Row:
    keys = KeyStore(folder / "keys", GATEWAY)
    keys.ensure()
    manifests = Manifests(lambda: keys)
    states = StateStore(
        folder / "ring",
        keys=HeadKeyStore(folder / "keys"),
        signers=manifests.signer,
        verifier=manifests,
    )
    data, key = secrets.token_bytes(size), StateKey("run", "kernel")

    def save() -> object:
        return states.save(key, data, head="HEAD_1", document="d", cipher=SUITES[suite])

    save(), save()
    saved = taken(save, rounds)
    timing: dict[str, float] = {}
    if states.load(key, timing=timing) != data:
        raise SystemExit(f"{suite}: {size} bytes do not come back")
    loaded = taken(lambda: states.load(key), rounds)
    lost = frozenset({"HEAD_1", "HEAD_2"})
    worst = taken(lambda: states.load(key, lost=lost), rounds)
    row: dict[str, object] = {
        "mebibytes": size >> 20,
        "suite": suite,
        "save_s": saved.wall,
        "save_cpu_s": saved.cpu,
        "rebuild_decrypt_s": loaded.wall,
        "rebuild_decrypt_cpu_s": loaded.cpu,
        "worst_pair_s": worst.wall,
        "worst_pair_cpu_s": worst.cpu,
        **{f"{stage}_s": seconds for stage, seconds in timing.items()},
    }
    if device is not None:
        row["to_device_s"] = to_device(states.load(key), device)
    states.release("run")
    return row


def to_device(data: memoryview, device: str) -> float:
    """Seconds of copying a state to a GPU, warm."""
    import torch

    tensor = torch.frombuffer(bytearray(1), dtype=torch.uint8).to(device)
    torch.cuda.synchronize()
    begun = time.perf_counter()
    tensor = torch.frombuffer(data, dtype=torch.uint8).to(device)
    torch.cuda.synchronize()
    seconds = time.perf_counter() - begun
    del tensor
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, nargs="+", default=[32, 1024])
    parser.add_argument("--suites", nargs="+", choices=[*SUITES], default=["GCM", "SIV"])
    parser.add_argument("--folder", type=Path, help="where the stores lie; default: temporary")
    parser.add_argument("--device", help="copy what was loaded to this device")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="no table: the JSON alone")
    options = parser.parse_args()
    rows = []
    for mebibytes in options.mebibytes:
        for suite in options.suites:
            report.progress(f"{mebibytes} MiB in {suite}")
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                rows.append(
                    measure(
                        Path(folder),
                        mebibytes << 20,
                        suite,
                        rounds=options.rounds,
                        device=options.device,
                    )
                )
    report.publish("checkpoints", rows, packages=("cryptography", "numpy"), quiet=options.json)


if __name__ == "__main__":
    main()
