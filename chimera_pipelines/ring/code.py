"""The ring's (4,2) erasure code: four shares, any two rebuild, XOR alone.

The message, padded with zeros, is four equal quarters A0 | A1 | B0 | B1. Read word by word as low
and high bits, A and B are elements of GF(4), where w·(B0, B1) = (B1, B0^B1):

    share 0 = A        = (A0,    A1)
    share 1 = B        = (B0,    B1)
    share 2 = A + B    = (A0^B0, A1^B1)
    share 3 = A + w·B  = (A0^B1, A1^B0^B1)

Every two rows are independent, so the code is maximum distance separable. Encoding takes four XORs
of a quarter, one a parity word: the lower bound for k = 2 (evidence/performance.md §11). Arrays are
worked through in pieces that stay in the cache, so each byte comes from memory once.

This module works on bytes with numpy; `tensor_code` on tensors, where they are. The equations
(`parity`, `solve`) are written once, for any arrays that can be sliced and XORed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

from chimera_pipelines.ring.durable import Bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Words: TypeAlias = npt.NDArray[np.uint64]

Array: TypeAlias = Any
"""Words of numpy or of torch, in one dimension."""
Xor: TypeAlias = Callable[[Array, Array, Array], object]
"""The XOR of two arrays, put into a third."""

NEEDED = 2
SHARES = 4
WORD = 8
# Words of one quarter in one piece: 1 MiB, so that the eight streams of a step fit the cache that
# cores share. In smaller ones numpy's calls cost more than is saved.
PIECE = 1 << 17
_PAIRS = tuple(combinations(range(SHARES), NEEDED))


def share_length(length: int) -> int:
    """Bytes of each share of a message of `length` bytes; never 0."""
    return 2 * WORD * max(1, -(-length // (4 * WORD)))


def encode(data: Bytes) -> tuple[memoryview, memoryview, memoryview, memoryview]:
    """The four shares of a message, `share_length(len(data))` bytes each.

    Shares 0 and 1 are the message itself (its end padded with zeros) and may share its memory.
    """
    import numpy as np

    view = memoryview(data).cast("B")
    size = share_length(len(view))
    a, b = _padded(view[:size], size), _padded(view[size:], size)
    p, q = np.empty_like(a), np.empty_like(b)
    parity(_xor, a, b, p, q)
    return a.data.cast("B"), b.data.cast("B"), p.data.cast("B"), q.data.cast("B")


def rebuild(shares: Mapping[int, Bytes], length: int) -> memoryview:
    """The message of `length` bytes from two shares; of more, the two with the lowest numbers.

    Nothing is checked here but sizes: a wrong share gives a wrong message.

    Raises:
        ValueError: fewer than two shares, a number that is none of 0 to 3, or a wrong size.
    """
    import numpy as np

    given = {index: memoryview(share).cast("B") for index, share in shares.items()}
    first, second = chosen({index: len(share) for index, share in given.items()}, length)
    message = np.empty(2 * share_length(length) // WORD, dtype=np.uint64)
    solve(_xor, first, second, _words(given[first]), _words(given[second]), message)
    return message.data.cast("B")[:length].toreadonly()


def chosen(sizes: Mapping[int, int], length: int) -> tuple[int, int]:
    """The two shares to rebuild from.

    Args:
        sizes: bytes of the shares that there are, by number.
        length: bytes of the message.

    Raises:
        ValueError: as `rebuild`.
    """
    size = share_length(length)
    wrong = any(found != size for found in sizes.values())
    if len(sizes) < NEEDED or not set(sizes) <= set(range(SHARES)) or wrong:
        raise ValueError(
            f"shares {sorted(sizes)} with sizes {list(sizes.values())}; "
            f"needed: two of 0 to 3 with {size} bytes"
        )
    first, second = sorted(sizes)[:NEEDED]
    return first, second


def locate(shares: Mapping[int, Bytes], length: int) -> frozenset[int]:
    """Numbers of the shares that do not fit the others; empty if all four fit.

    Of four shares one wrong one is found without any digest: it is the one whose absence lets the
    other three agree. If no three agree, all four are suspect.

    Raises:
        ValueError: not all four shares, or of wrong size.
    """
    if len(shares) != SHARES:
        raise ValueError(f"{len(shares)} shares; all {SHARES} are needed to locate a wrong one")
    messages = {pair: rebuild({i: shares[i] for i in pair}, length) for pair in _PAIRS}
    if _agree(shares, messages, range(SHARES)):
        return frozenset()
    for suspect in range(SHARES):
        others = [index for index in range(SHARES) if index != suspect]
        if _agree(shares, messages, others):
            return frozenset({suspect})
    return frozenset(range(SHARES))


def _agree(
    shares: Mapping[int, Bytes], messages: Mapping[tuple[int, ...], Bytes], trusted: Iterable[int]
) -> bool:
    """Whether every share of `trusted` is what the first two of them make it."""
    first, second, *_ = trusted
    made = encode(messages[first, second])
    return all(made[index] == memoryview(shares[index]).cast("B") for index in trusted)


def parity(xor: Xor, a: Array, b: Array, p: Array, q: Array, piece: int = PIECE) -> None:
    """Shares 2 and 3 from shares 0 and 1, all of an even number of words."""
    for a0, a1, b0, b1, p0, p1, q0, q1 in _quarters((a, b, p, q), piece):
        xor(a0, b0, p0)
        xor(a1, b1, p1)
        xor(a0, b1, q0)
        xor(p1, b0, q1)


def solve(
    xor: Xor, first: int, second: int, s: Array, t: Array, message: Array, piece: int = PIECE
) -> None:
    """The message from shares `first` < `second`."""
    half = message.shape[0] // 2
    for quarters in _quarters((s, t, message[:half], message[half:]), piece):
        _solve(xor, first, second, *quarters)


def _solve(
    xor: Xor,
    first: int,
    second: int,
    s0: Array,
    s1: Array,
    t0: Array,
    t1: Array,
    a0: Array,
    a1: Array,
    b0: Array,
    b1: Array,
) -> None:
    if first == 0:
        a0[:], a1[:] = s0, s1
    elif first == 1:
        b0[:], b1[:] = s0, s1
    match first, second:
        case 0, 1:
            b0[:], b1[:] = t0, t1
        case 0, 2:
            xor(s0, t0, b0)
            xor(s1, t1, b1)
        case 1, 2:
            xor(s0, t0, a0)
            xor(s1, t1, a1)
        case 0, 3:  # s + t = w·B = (B1, B0^B1)
            xor(s0, t0, b1)
            xor(s1, t1, b0)
            xor(b0, b1, b0)
        case 1, 3:  # A = t + w·B
            xor(t0, s1, a0)
            xor(t1, s0, a1)
            xor(a1, s1, a1)
        case 2, 3:
            xor(s1, t1, b0)
            xor(s0, b0, a0)
            xor(t0, a0, b1)
            xor(s1, b1, a1)


def _quarters(arrays: Sequence[Array], piece: int) -> Iterator[list[Array]]:
    """Both halves of each array, piece by piece."""
    half = arrays[0].shape[0] // 2
    halves = [part for array in arrays for part in (array[:half], array[half:])]
    for start in range(0, half, piece):
        yield [part[start : start + piece] for part in halves]


def _xor(first: Words, second: Words, out: Words) -> None:
    import numpy as np

    np.bitwise_xor(first, second, out=out)


def _words(share: memoryview) -> Words:
    import numpy as np

    return np.frombuffer(share, dtype=np.uint64)


def _padded(part: memoryview, size: int) -> Words:
    import numpy as np

    if len(part) == size:
        return _words(part)
    padded = np.zeros(size // WORD, dtype=np.uint64)
    padded.view(np.uint8)[: len(part)] = np.frombuffer(part, dtype=np.uint8)
    return padded
