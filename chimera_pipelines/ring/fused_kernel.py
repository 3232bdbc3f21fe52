"""The ring's code as one Triton kernel: each word is read once and each result written once.

Imported only where a tensor is on CUDA (`tensor_code`). Words are 64 bits; a thread takes two
neighbours of each stream, so that loads and stores are 128 bits wide. Streams are read and written
once and are marked so, to leave the cache to others.
"""

# Triton reads kernels as source: their parameters have no types, constants are upper case.
# ruff: noqa: ANN001, ANN202, N803, PLR2004
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import triton
import triton.language as tl

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 2048
WARPS = 8


@triton.jit
def _parity(a, b, p, q, half, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = at < half
    a0 = tl.load(a + at, mask=there, eviction_policy="evict_first")
    a1 = tl.load(a + half + at, mask=there, eviction_policy="evict_first")
    b0 = tl.load(b + at, mask=there, eviction_policy="evict_first")
    b1 = tl.load(b + half + at, mask=there, eviction_policy="evict_first")
    p1 = a1 ^ b1
    tl.store(p + at, a0 ^ b0, mask=there, eviction_policy="evict_first")
    tl.store(p + half + at, p1, mask=there, eviction_policy="evict_first")
    tl.store(q + at, a0 ^ b1, mask=there, eviction_policy="evict_first")
    tl.store(q + half + at, p1 ^ b0, mask=there, eviction_policy="evict_first")


@triton.jit
def _solve(s, t, message, half, FIRST: tl.constexpr, SECOND: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = at < half
    s0 = tl.load(s + at, mask=there, eviction_policy="evict_first")
    s1 = tl.load(s + half + at, mask=there, eviction_policy="evict_first")
    t0 = tl.load(t + at, mask=there, eviction_policy="evict_first")
    t1 = tl.load(t + half + at, mask=there, eviction_policy="evict_first")
    if FIRST == 0:
        a0, a1 = s0, s1
        if SECOND == 1:
            b0, b1 = t0, t1
        elif SECOND == 2:
            b0, b1 = s0 ^ t0, s1 ^ t1
        else:
            b1 = s0 ^ t0
            b0 = s1 ^ t1 ^ b1
    elif FIRST == 1:
        b0, b1 = s0, s1
        if SECOND == 2:
            a0, a1 = s0 ^ t0, s1 ^ t1
        else:
            a0 = t0 ^ s1
            a1 = t1 ^ s0 ^ s1
    else:
        b0 = s1 ^ t1
        a0 = s0 ^ b0
        b1 = t0 ^ a0
        a1 = s1 ^ b1
    tl.store(message + at, a0, mask=there, eviction_policy="evict_first")
    tl.store(message + half + at, a1, mask=there, eviction_policy="evict_first")
    tl.store(message + 2 * half + at, b0, mask=there, eviction_policy="evict_first")
    tl.store(message + 3 * half + at, b1, mask=there, eviction_policy="evict_first")


def parity(
    a: Tensor, b: Tensor, p: Tensor, q: Tensor, *, block: int = BLOCK, warps: int = WARPS
) -> None:
    """Shares 2 and 3 from shares 0 and 1 (int64, CUDA, contiguous)."""
    half = a.shape[0] // 2
    _launch(_parity, a, b, p, q, half, BLOCK=block, num_warps=warps)


def solve(
    first: int,
    second: int,
    s: Tensor,
    t: Tensor,
    message: Tensor,
    *,
    block: int = BLOCK,
    warps: int = WARPS,
) -> None:
    """The message from shares `first` < `second` (int64, CUDA, contiguous)."""
    half = s.shape[0] // 2
    numbers = {"FIRST": first, "SECOND": second}
    _launch(_solve, s, t, message, half, BLOCK=block, num_warps=warps, **numbers)


def _launch(kernel: Any, *given: Any, BLOCK: int, **options: Any) -> None:
    import torch

    half, device = given[-1], given[0].device
    # Triton's interpreter runs kernels on a CPU, where there is no device to choose.
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        kernel[(triton.cdiv(half, BLOCK),)](*given, BLOCK=BLOCK, **options)
