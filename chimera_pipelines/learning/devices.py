"""Where learning computes and in which precision; what does not fit or is not there is refused."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.learning.bad_data import ROOM, refused

AMPLITUDE_BYTES = {"single": 8, "double": 16}
TRAINING = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_SPARE = 0.8


def device_of(name: str) -> torch.device:
    """A device by its name; "auto" is CUDA where there is one.

    Raises:
        HeadUnavailableError: MAML905, no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in {"cpu", "cuda"} or (name == "cuda" and not torch.cuda.is_available()):
        raise HeadUnavailableError("MAML905", f"no device '{name}' here", hint="use cpu or auto")
    return torch.device(name)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision on a device; "float32" is none.

    Raises:
        HeadUnavailableError: MAML905 for half precision without CUDA.
        KernelError: MAML413 for a precision that does not exist.
    """
    if precision not in TRAINING:
        known = ", ".join(TRAINING)
        raise refused(ROOM, f"no precision {precision!r:.40}", f"there are {known}")
    if precision == "float32":
        return nullcontext()
    if device.type != "cuda":
        raise HeadUnavailableError(
            "MAML905", f"precision '{precision}' needs a CUDA device", hint="use float32"
        )
    return torch.autocast(device.type, dtype=TRAINING[precision])


def room(device: torch.device) -> int:
    """Bytes that new states may take on a device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free * _SPARE)
    return int(_available() * _SPARE)


def require_room(
    num_qubits: int, states: int, precision: str, device: torch.device, *, tables: int = 0
) -> None:
    """Refuse states that do not fit, with so many bytes of tables beside them.

    Raises:
        KernelError: MAML413, with the bytes that are needed and free.
    """
    needed = ((states * AMPLITUDE_BYTES[precision]) << num_qubits) + tables
    free = room(device)
    if needed > free:
        what = f"{states} states of {num_qubits} qubits" + (" and their tables" if tables else "")
        message = f"{what} take {needed} bytes; {free} are free"
        raise refused(ROOM, message, "use fewer qubits or samples, or single precision")


def _available() -> int:
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/meminfo does not say what is available")
