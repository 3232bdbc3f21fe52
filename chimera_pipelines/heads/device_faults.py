"""Errors after which a device takes no more work in this process.

CUDA keeps such an error for the context in which it came: every later call gives it again, until
the process ends. torch and Aer raise it as a RuntimeError with CUDA's own words. What only one call
is to blame for (no memory, a wrong argument) is none of these.
"""

from __future__ import annotations

import re

from chimera_pipelines.heads.performer import DeviceLostError

_STICKY = re.compile(
    r"illegal memory access|illegal instruction|illegal address|misaligned address"
    r"|invalid program counter|invalid address space|unspecified launch failure"
    r"|launch timed out|device-side assert|hardware stack error"
    r"|uncorrectable (?:ECC|NVLink) error|(?:GPU|device) is lost|fallen off the bus"
    r"|CUDA_ERROR_(?:ILLEGAL|MISALIGNED|LAUNCH_FAILED|LAUNCH_TIMEOUT|ASSERT|ECC|HARDWARE)",
    re.IGNORECASE,
)
_OF_CUDA = re.compile(r"CUDA|cuda[A-Z]|cuBLAS|cuStateVec|NVLink|GPU", re.IGNORECASE)


def device_lost(error: BaseException) -> DeviceLostError | None:
    """CHIM715 for an error that this process cannot recover from; None for any other."""
    if isinstance(error, DeviceLostError):
        return error
    if not isinstance(error, RuntimeError):
        return None
    text = str(error)
    if not (_OF_CUDA.search(text) and _STICKY.search(text)):
        return None
    return DeviceLostError(f"the device is lost: {text.strip().splitlines()[0][:200]}")
