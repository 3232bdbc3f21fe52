"""Memory of a ring: where its words lie, how it is made and found; and how one waits."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import Final

from chimera_pipelines.errors import ChimeraError

MAGIC: Final = int.from_bytes(b"CHIMRNG1", "little")
MAX_BYTES: Final = 1 << 32
PAGE: Final = 4096
SLOT_HEAD: Final = 24
_SPINS: Final = 64
_LONGEST_NAP_S: Final = 0.001

# Places of the counters, in words. Producer's and consumer's lie on cache lines of their own.
_MAGIC, SLOTS, SIZE = 0, 1, 2
PUSHED, ENDED, WAITS, SPILLED, DEEPEST = 8, 9, 10, 11, 12
POPPED, LEFT = 24, 25


class RingError(ChimeraError):
    """CHIM797: a ring's memory is not what was written. CHIM798: the other side does not answer."""


def stride(slot_bytes: int) -> int:
    """Bytes from slot to slot."""
    return SLOT_HEAD + -(-slot_bytes // 8) * 8


def made(slots: int, slot_bytes: int, path: Path | None) -> mmap.mmap:
    """Memory of a new ring.

    Raises:
        RingError: CHIM797 for sizes that are none, or a file that cannot be made.
    """
    size = PAGE + slots * stride(slot_bytes)
    if slots < 1 or slot_bytes < 1 or size > MAX_BYTES:
        raise RingError(
            "CHIM797",
            f"a ring of {slots!r} slots of {slot_bytes!r} bytes",
            hint=f"at least one slot of one byte, at most {MAX_BYTES} bytes in all",
        )
    memory = mmap.mmap(-1, size) if path is None else _file(path, size)
    words = memoryview(memory).cast("Q")
    words[SLOTS], words[SIZE] = slots, slot_bytes
    words[_MAGIC] = MAGIC
    words.release()
    return memory


def found(path: Path) -> mmap.mmap:
    """Memory of the ring in a file that another process made.

    Raises:
        RingError: CHIM797 when there is none, it is another user's, or it is no ring.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            about = os.fstat(handle)
            if about.st_uid != os.geteuid() or about.st_size < PAGE or about.st_size % 8:
                raise _no_ring(path, "it is another user's, or has no ring's size")
            memory = mmap.mmap(handle, about.st_size)
        finally:
            os.close(handle)
    except OSError as error:
        raise _no_ring(path, error.strerror or str(error)) from error
    words = memoryview(memory).cast("Q")
    magic, slots, size = words[_MAGIC], words[SLOTS], words[SIZE]
    words.release()
    if magic != MAGIC or not slots or not size or PAGE + slots * stride(size) != len(memory):
        memory.close()
        raise _no_ring(path, f"{slots} slots of {size} bytes do not fill {about.st_size}")
    return memory


class Nap:
    """Waits a little longer each time, until a deadline."""

    def __init__(self, timeout_s: float) -> None:
        self._deadline = time.monotonic() + timeout_s
        self._turns = 0

    def again(self) -> bool:
        """Sleeps; False once the deadline has passed."""
        self._turns += 1
        if self._turns <= _SPINS:
            time.sleep(0)
            return True
        time.sleep(min(_LONGEST_NAP_S, 1e-5 * (self._turns - _SPINS)))
        return time.monotonic() < self._deadline


def _file(path: Path, size: int) -> mmap.mmap:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
            return mmap.mmap(handle, size)
        finally:
            os.close(handle)
    except OSError as error:
        raise RingError(
            "CHIM797",
            f"ring '{path}' cannot be made: {error.strerror}",
            hint="name a new file in a folder of this user, best in /dev/shm",
        ) from error


def _no_ring(path: Path, why: str) -> RingError:
    return RingError("CHIM797", f"'{path}' is no ring: {why}", hint="open the file of `create`")
