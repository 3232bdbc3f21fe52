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
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

from chimera_pipelines.ring.durable import Bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Words: TypeAlias = npt.NDArray[np.uint64]

NEEDED = 2
SHARES = 4
_WORD = 8
# Words of one quarter in one piece: 128 KiB, so the eight streams of a step fit a core's cache.
_PIECE = 1 << 14
_PAIRS = tuple(combinations(range(SHARES), NEEDED))


def share_length(length: int) -> int:
    """Bytes of each share of a message of `length` bytes; never 0."""
    return 2 * _WORD * max(1, -(-length // (4 * _WORD)))


def encode(data: Bytes) -> tuple[memoryview, memoryview, memoryview, memoryview]:
    """The four shares of a message, `share_length(len(data))` bytes each.

    Shares 0 and 1 are the message itself (its end padded with zeros) and may share its memory.
    """
    import numpy as np

    view = memoryview(data).cast("B")
    size = share_length(len(view))
    a, b = _padded(view[:size], size), _padded(view[size:], size)
    p, q = np.empty_like(a), np.empty_like(b)
    (a0, a1), (b0, b1), (p0, p1), (q0, q1) = (_halves(share) for share in (a, b, p, q))
    for piece in _pieces(a0.size):
        np.bitwise_xor(a0[piece], b0[piece], out=p0[piece])
        np.bitwise_xor(a1[piece], b1[piece], out=p1[piece])
        np.bitwise_xor(a0[piece], b1[piece], out=q0[piece])
        np.bitwise_xor(p1[piece], b0[piece], out=q1[piece])
    return a.data.cast("B"), b.data.cast("B"), p.data.cast("B"), q.data.cast("B")


def rebuild(shares: Mapping[int, Bytes], length: int) -> memoryview:
    """The message of `length` bytes from two shares; of more, the two with the lowest numbers.

    Nothing is checked here but sizes: a wrong share gives a wrong message.

    Raises:
        ValueError: fewer than two shares, a number that is none of 0 to 3, or a wrong size.
    """
    import numpy as np

    size = share_length(length)
    given = {index: memoryview(share).cast("B") for index, share in shares.items()}
    wrong = [index for index, share in given.items() if len(share) != size]
    if len(given) < NEEDED or not set(given) <= set(range(SHARES)) or wrong:
        raise ValueError(
            f"shares {sorted(given)} with sizes {[len(s) for s in given.values()]}; "
            f"needed: two of 0 to 3 with {size} bytes"
        )
    first, second = sorted(given)[:NEEDED]
    message = np.empty(2 * size // _WORD, dtype=np.uint64)
    _solve(first, second, _words(given[first]), _words(given[second]), message)
    return message.data.cast("B")[:length].toreadonly()


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


def _solve(first: int, second: int, s: Words, t: Words, message: Words) -> None:
    """Shares `first` < `second` into the message, [4 quarters]."""
    a, b = _halves(message)
    quarters = [half for array in (s, t, a, b) for half in _halves(array)]
    for piece in _pieces(quarters[0].size):
        _solve_piece(first, second, *(quarter[piece] for quarter in quarters))


def _solve_piece(
    first: int,
    second: int,
    s0: Words,
    s1: Words,
    t0: Words,
    t1: Words,
    a0: Words,
    a1: Words,
    b0: Words,
    b1: Words,
) -> None:
    from numpy import bitwise_xor as xor

    if first == 0:
        a0[:], a1[:] = s0, s1
    elif first == 1:
        b0[:], b1[:] = s0, s1
    match first, second:
        case 0, 1:
            b0[:], b1[:] = t0, t1
        case 0, 2:
            xor(s0, t0, out=b0)
            xor(s1, t1, out=b1)
        case 1, 2:
            xor(s0, t0, out=a0)
            xor(s1, t1, out=a1)
        case 0, 3:  # s + t = w·B = (B1, B0^B1)
            xor(s0, t0, out=b1)
            xor(s1, t1, out=b0)
            xor(b0, b1, out=b0)
        case 1, 3:  # A = t + w·B
            xor(t0, s1, out=a0)
            xor(t1, s0, out=a1)
            xor(a1, s1, out=a1)
        case 2, 3:
            xor(s1, t1, out=b0)
            xor(s0, b0, out=a0)
            xor(t0, a0, out=b1)
            xor(s1, b1, out=a1)


def _words(share: memoryview) -> Words:
    import numpy as np

    return np.frombuffer(share, dtype=np.uint64)


def _padded(part: memoryview, size: int) -> Words:
    import numpy as np

    if len(part) == size:
        return _words(part)
    padded = np.zeros(size // _WORD, dtype=np.uint64)
    padded.view(np.uint8)[: len(part)] = np.frombuffer(part, dtype=np.uint8)
    return padded


def _halves(words: Words) -> tuple[Words, Words]:
    half = words.size // 2
    return words[:half], words[half:]


def _pieces(words: int) -> Iterator[slice]:
    for start in range(0, words, _PIECE):
        yield slice(start, min(start + _PIECE, words))
