"""The ring's code on tensors, on the device that they are on: CPU or CUDA, one source.

On a CPU the work goes in pieces that stay in the cache. On CUDA one fused kernel does it in a
single pass where Triton is there (`fused_kernel`); else four passes over the whole, which cost
three transfers of the message against the two of a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING

from chimera_pipelines.ring.code import PIECE, WORD, chosen, parity, share_length, solve

if TYPE_CHECKING:
    from torch import Tensor


def encode_tensor(
    data: Tensor, *, fused: bool | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four shares of a tensor's bytes, as int64 words on its device.

    Args:
        data: contiguous, of any dtype. Shares 0 and 1 share its memory where its bytes are a
            multiple of 32 and begin at one of 8.
        fused: whether the fused kernel is used; None where it can be.
    """
    import torch

    words = _words(data)
    half = words.shape[0] // 2
    a, b = words[:half], words[half:]
    both = torch.empty_like(words)
    p, q = both[:half], both[half:]
    kernel = _fused(data) if fused in (None, True) else None
    if kernel is not None:
        kernel.parity(a, b, p, q)
    else:
        parity(_xor, a, b, p, q, _piece(data, half))
    return a, b, p, q


def rebuild_tensor(
    shares: Mapping[int, Tensor], length: int, *, fused: bool | None = None
) -> Tensor:
    """The message as `length` bytes (uint8) from two shares, on their device.

    Args:
        shares: int64 words as `encode_tensor` gives them, by number.
        length: bytes of the message.
        fused: as in `encode_tensor`.

    Raises:
        ValueError: as `code.rebuild`.
    """
    import torch

    sizes = {index: share.shape[0] * WORD for index, share in shares.items()}
    first, second = chosen(sizes, length)
    s, t = shares[first], shares[second]
    message = torch.empty(2 * s.shape[0], dtype=torch.int64, device=s.device)
    kernel = _fused(s) if fused in (None, True) else None
    if kernel is not None:
        kernel.solve(first, second, s, t, message)
    else:
        solve(_xor, first, second, s, t, message, _piece(s, s.shape[0]))
    return message.view(torch.uint8)[:length]


def _xor(first: Tensor, second: Tensor, out: Tensor) -> None:
    import torch

    torch.bitwise_xor(first, second, out=out)


def _words(data: Tensor) -> Tensor:
    import torch

    flat = data.reshape(-1).view(torch.uint8)
    size = 2 * share_length(flat.shape[0])
    if flat.shape[0] == size and flat.storage_offset() % WORD == 0:
        return flat.view(torch.int64)
    padded = torch.zeros(size, dtype=torch.uint8, device=data.device)
    padded[: flat.shape[0]] = flat
    return padded.view(torch.int64)


def _piece(data: Tensor, words: int) -> int:
    return PIECE if data.device.type == "cpu" else max(1, words)


def _fused(data: Tensor) -> ModuleType | None:
    return None if data.device.type != "cuda" else _kernel()


@lru_cache(maxsize=1)
def _kernel() -> ModuleType | None:
    """The fused kernel, if Triton is there; it comes with torch's CUDA builds."""
    try:
        from chimera_pipelines.ring import fused_kernel
    except ImportError:
        return None
    return fused_kernel
