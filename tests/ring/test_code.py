from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.ring.code import PIECE, SHARES, encode, locate, rebuild, share_length
from chimera_pipelines.ring.durable import Bytes

MESSAGES = st.binary(max_size=300)


def _times_w(symbol: int) -> int:
    """Multiplication by w in GF(4) by its polynomial, apart from the code's bit planes."""
    doubled = symbol << 1
    return (doubled ^ 0b111) & 3 if doubled & 4 else doubled


@given(MESSAGES)
def test_any_two_of_four_rebuild(message: bytes) -> None:
    shares = encode(message)
    assert {len(share) for share in shares} == {share_length(len(message))}
    for pair in combinations(range(SHARES), 2):
        assert rebuild({i: shares[i] for i in pair}, len(message)) == message


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 32 * PIECE - 1, 32 * PIECE + 40, 1 << 20])
def test_sizes_around_the_pieces(size: int) -> None:
    message = bytes(i * 31 % 251 for i in range(4096)) * (size // 4096 + 1)
    message = message[:size]
    shares = encode(message)
    for pair in combinations(range(SHARES), 2):
        assert rebuild({i: shares[i] for i in pair}, size) == message


@given(st.binary(min_size=32, max_size=32))
def test_shares_are_products_over_gf4(message: bytes) -> None:
    shares = [bytes(share) for share in encode(message)]

    def symbols(share: bytes) -> list[int]:
        low, high = (int.from_bytes(share[i : i + 8], "little") for i in (0, 8))
        return [(low >> bit & 1) | (high >> bit & 1) << 1 for bit in range(64)]

    a, b, p, q = (symbols(share) for share in shares)
    assert p == [x ^ y for x, y in zip(a, b, strict=True)]
    assert q == [x ^ _times_w(y) for x, y in zip(a, b, strict=True)]


@given(MESSAGES, st.integers(0, SHARES - 1), st.data())
@settings(max_examples=200)
def test_a_single_flip_is_found_and_located(message: bytes, bad: int, data: st.DataObject) -> None:
    shares = [bytearray(share) for share in encode(message)]
    assert locate(dict(enumerate(shares)), len(message)) == frozenset()
    bit = data.draw(st.integers(0, 8 * len(shares[bad]) - 1))
    shares[bad][bit // 8] ^= 1 << bit % 8
    assert locate(dict(enumerate(shares)), len(message)) == {bad}


def test_two_wrong_shares_leave_all_suspect() -> None:
    shares = [bytearray(share) for share in encode(b"x" * 64)]
    shares[0][0] ^= 1
    shares[2][20] ^= 1
    assert locate(dict(enumerate(shares)), 64) == {0, 1, 2, 3}


def test_what_cannot_be_rebuilt_is_refused_with_the_sizes() -> None:
    shares = encode(b"x" * 64)
    wrong: list[dict[int, Bytes]] = [
        {},
        {1: shares[1]},
        {0: shares[0], 4: shares[1]},
        {0: b"", 1: shares[1]},
    ]
    for given_shares in wrong:
        with pytest.raises(ValueError, match="needed: two of 0 to 3 with 32 bytes"):
            rebuild(given_shares, 64)
    with pytest.raises(ValueError, match="all 4 are needed"):
        locate({0: shares[0], 1: shares[1]}, 64)
