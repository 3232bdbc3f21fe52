from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.ring.code import PIECE, SHARES, encode, rebuild
from chimera_pipelines.ring.tensor_code import encode_tensor, rebuild_tensor

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def bytes_of(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.cpu().view(torch.uint8).numpy())


def tensor_of(data: bytes, device: str) -> torch.Tensor:
    return torch.tensor(list(data), dtype=torch.uint8, device=device)


@pytest.mark.parametrize("device", DEVICES)
@given(data=st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_tensors_and_bytes_give_the_same_shares(device: str, data: bytes) -> None:
    shares = encode_tensor(tensor_of(data, device))
    assert [bytes_of(share) for share in shares] == [bytes(share) for share in encode(data)]
    for pair in combinations(range(SHARES), 2):
        some = {index: shares[index] for index in pair}
        found = rebuild_tensor(some, len(data))
        assert found.device.type == device
        assert (
            bytes_of(found) == data == rebuild({i: bytes_of(s) for i, s in some.items()}, len(data))
        )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [32 * PIECE - 8, 32 * PIECE + 40, 1 << 20])
def test_sizes_around_the_pieces(device: str, size: int) -> None:
    words = torch.arange(size // 8, dtype=torch.int64, device=device) * 0x9E3779B97F4A7C1
    shares = encode_tensor(words)
    assert [bytes_of(share) for share in shares] == [bytes(s) for s in encode(bytes_of(words))]
    for pair in combinations(range(SHARES), 2):
        found = rebuild_tensor({index: shares[index] for index in pair}, size)
        assert torch.equal(found.view(torch.int64), words)


def test_tensors_of_any_kind_are_taken_by_their_bytes() -> None:
    state = torch.randn(3, 8, dtype=torch.complex64)
    shares = encode_tensor(state)
    found = rebuild_tensor({2: shares[2], 3: shares[3]}, 192)
    assert torch.equal(found.view(torch.complex64).reshape(3, 8), state)
    assert shares[0].data_ptr() == state.data_ptr()
    assert bytes_of(encode_tensor(torch.tensor(1.5))[0])[:4] == b"\x00\x00\xc0\x3f"


def test_what_cannot_be_rebuilt_is_refused() -> None:
    shares = encode_tensor(torch.zeros(64, dtype=torch.uint8))
    for given_shares in ({}, {1: shares[1]}, {0: shares[0], 4: shares[1]}):
        with pytest.raises(ValueError, match="needed: two of 0 to 3 with 32 bytes"):
            rebuild_tensor(given_shares, 64)
