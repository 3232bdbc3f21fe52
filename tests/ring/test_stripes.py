from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.digest import sha256
from chimera_pipelines.ring.code import SHARES, encode
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.layout import Layout
from chimera_pipelines.ring.protect import protected
from chimera_pipelines.ring.seal import CHUNK, Cipher, Sealing
from chimera_pipelines.ring.shares import Manifest
from chimera_pipelines.ring.stripes import (
    Bare,
    Spent,
    collect,
    digest_of_share,
    remake,
    spread,
)
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import Keys


class Shares:
    """Four shares in memory."""

    def __init__(self, layout: Layout) -> None:
        self.data = [bytearray(layout.share_bytes) for _ in range(SHARES)]

    def put(self, share: int, offset: int, piece: Bytes) -> None:
        self.data[share][offset : offset + len(piece)] = piece

    def read(self, share: int, offset: int, buffer: memoryview) -> None:
        buffer[:] = self.data[share][offset : offset + len(buffer)]


@given(st.binary(max_size=400), st.integers(1, 120))
@settings(max_examples=100, deadline=None)
def test_any_two_of_four_rebuild_and_make_the_others_again(data: bytes, chunk: int) -> None:
    layout = Layout(len(data), chunk)
    shares = Shares(layout)
    digests = spread(memoryview(data), layout, Bare(), shares.put)
    for share in range(SHARES):
        read = lambda at, buffer, s=share: shares.read(s, at, buffer)  # noqa: E731
        assert digest_of_share(read, layout) == digests[share]
    for pair in combinations(range(SHARES), 2):
        out = bytearray(len(data))
        collect(shares.read, pair, layout, Bare(), memoryview(out))
        assert out == data
        others = [share for share in range(SHARES) if share not in pair]
        again = Shares(layout)
        made = remake(shares.read, pair, others, layout, Bare(), again.put)
        for share in others:
            assert again.data[share] == shares.data[share]
            assert made[share] == digests[share]


def test_one_stripe_is_the_code_of_the_whole() -> None:
    data = bytes(range(200))
    layout = Layout(200, 200)
    shares = Shares(layout)
    spread(memoryview(data), layout, Bare(), shares.put)
    assert shares.data == [bytearray(one) for one in encode(data)]


@pytest.mark.parametrize("cipher", list(Cipher))
@pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 11])
def test_sealed_stripes_come_back_from_any_two(cipher: Cipher, size: int) -> None:
    data = random.Random(size).randbytes(size)
    draft = Manifest(sha256(data), "d", "k", "m", size, CHUNK)
    manifest, cover = protected(draft, Sealing(cipher, "HEAD_1", "d"), Keys(), HEAD_IDS)
    layout, shares = manifest.layout, Shares(manifest.layout)
    spread(memoryview(data), layout, cover, shares.put)
    for pair in combinations(range(SHARES), 2):
        out, spent = bytearray(size), Spent()
        collect(shares.read, pair, layout, cover, memoryview(out), spent)
        assert out == data
        assert spent.rebuild > 0
        others = [share for share in range(SHARES) if share not in pair]
        again = Shares(layout)
        keyless = cover if layout.after else Bare()
        remake(shares.read, pair, others, layout, keyless, again.put)
        assert all(again.data[share] == shares.data[share] for share in others)
