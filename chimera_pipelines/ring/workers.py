"""Work on the pieces of one artefact, by several threads where there are several pieces."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Lock

_MOST = 8


def each(work: Callable[[int], None], pieces: int) -> None:
    """`work(0)` to `work(pieces − 1)`, in any order; the first error ends it.

    A thread takes one number after the other: with thousands of pieces, a future for each would
    cost more than the pieces.
    """
    threads = min(pieces, _MOST, len(os.sched_getaffinity(0)))
    if threads <= 1:
        for index in range(pieces):
            work(index)
        return
    numbers, lock, failed = count(), Lock(), False

    def run() -> None:
        nonlocal failed
        while not failed:
            with lock:
                index = next(numbers)
            if index >= pieces:
                return
            try:
                work(index)
            except BaseException:
                failed = True
                raise

    with ThreadPoolExecutor(threads, thread_name_prefix="chimera-ring") as pool:
        for future in [pool.submit(run) for _ in range(threads)]:
            future.result()
