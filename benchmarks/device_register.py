"""In head processes of `benchmarks.regeneration --gpu`: a register on the device, and its return.

`Hold` makes one, saves it as a head does between phases, and keeps it until its process is killed.
`Back` is what a new process does before its first work: shares from the four stores, rebuilt and
opened into memory, copied to the device. Torch, the heads and the ring are all that is needed.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from chimera_pipelines.heads.performer import Emit, HeadContext, Work
from chimera_pipelines.heads.timeline import Stage, Stopwatch, Timeline
from chimera_pipelines.lifecycle import sealing
from chimera_pipelines.ring.seal import Cipher
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.ring.state_records import StateKey
from chimera_pipelines.settings import settings

CIPHERS: Mapping[str, Cipher] = {"GCM": Cipher.AES_256, "SIV": Cipher.AES_512}
KEY = StateKey("benchmark", "register")
PIECE = 1 << 28
# What this process holds: the register, and how it came back.
held: dict[str, Any] = {}


def device() -> torch.device:
    return torch.device(os.environ["BENCHMARK_DEVICE"])


def states() -> StateStore:
    found = settings()
    signing = sealing.key_store(found)
    return sealing.states(found, sealing.head_keys(found), sealing.Manifests(lambda: signing))


def synchronize() -> None:
    if device().type == "cuda":
        torch.cuda.synchronize()


def checksum(register: torch.Tensor) -> int:
    """The sum of all words, which tells one register from another."""
    return int(register.view(torch.int64).sum().item())


class Hold:
    """Payload: {"do": "hold", "bytes", "suite"} or {"do": "look"}."""

    def __init__(self, here: HeadContext) -> None:
        self._here = here

    def perform(self, work: Work, emit: Emit) -> None:
        """Make a register if asked to, and tell of the one that this process has."""
        if work.payload["do"] == "hold":
            self._hold(int(work.payload["bytes"]), CIPHERS[work.payload["suite"]])
        emit({"is": "start", "key": "step", "at": time.monotonic()})
        register = held["register"]
        found = {name: held[name] for name in held if name != "register"}
        emit(
            {
                "is": "end",
                "key": "step",
                "device": str(register.device),
                "bytes": register.numel(),
                "checksum": checksum(register),
                "incarnation": self._here.incarnation,
                **found,
            }
        )

    def _hold(self, size: int, cipher: Cipher) -> None:
        register = torch.empty(size, dtype=torch.uint8, device=device())
        for at in range(0, size, PIECE):
            register[at : at + PIECE].random_(0, 256)
        saved = time.monotonic()
        data = memoryview(register.cpu().numpy())
        states().save(KEY, data, head=self._here.id, document="benchmark", cipher=cipher)
        held.update(register=register, save_s=time.monotonic() - saved)

    def cancel(self, work: Work) -> None:
        """Nothing here takes long but what cannot be interrupted."""

    def close(self) -> None:
        """Let go of the register."""
        held.clear()


class Back:
    """See `heads.regeneration.Regenerator`; the device is opened while shares are gathered."""

    def __init__(self, here: HeadContext) -> None:
        self._here = here
        self._opened_s = 0.0
        self._opening = threading.Thread(target=self._open, name="open-device")
        if here.before is not None:
            self._opening.start()

    def regenerate(self, watch: Stopwatch) -> None:
        """Bring the register back to the device."""
        timing: dict[str, float] = {}
        data = states().load(KEY, timing=timing)
        watch.add(timing)
        waited = timed(self._opening.join)
        with watch.stage(Stage.DECRYPT):  # where a head puts an opened register into its bank
            begun = time.monotonic()
            host = torch.frombuffer(data, dtype=torch.uint8)
            held["register"] = host.to(device())
            synchronize()
        at = time.monotonic()
        held.update(
            on_device_at=at, to_device_s=at - begun, device_s=self._opened_s, device_wait_s=waited
        )
        watch.note(states=1, state_bytes=len(data))

    def record(self, timeline: Timeline) -> None:
        """Leave the timeline where the benchmark looks for it."""
        path = Path(os.environ["BENCHMARK_NOTES"]) / f"{timeline.new}.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(timeline.as_json()), "utf-8")
        new.replace(path)

    def _open(self) -> None:
        self._opened_s = timed(lambda: (torch.zeros(1, device=device()), synchronize()))


def timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun
