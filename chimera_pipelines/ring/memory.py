"""Memory for large results: first touch of new pages costs more than what is written to them."""

from __future__ import annotations

import mmap

_HUGE = 4 << 20


def fresh(size: int) -> memoryview:
    """Writable memory of `size` zero bytes, on huge pages where it is large."""
    if size < _HUGE:
        return memoryview(bytearray(size))
    space = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        space.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(space)
