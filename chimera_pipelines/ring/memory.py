"""Memory for large results: first touch of new pages costs more than what is written to them."""

from __future__ import annotations


def fresh(size: int) -> memoryview:
    """Writable memory of `size` bytes of any content.

    numpy asks for huge pages of private memory, which take a tenth of the time that pages of an
    anonymous map of Python's `mmap` take to be touched: that is shared memory, in small pages.
    """
    import numpy as np

    return np.empty(size, dtype=np.uint8).data
