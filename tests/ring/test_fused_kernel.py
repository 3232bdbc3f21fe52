"""The Triton kernels in Triton's interpreter; `benchmarks.erasure` runs them on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

_CHECK = """
from itertools import combinations
import torch
from chimera_pipelines.ring import fused_kernel as kernel
from chimera_pipelines.ring.tensor_code import encode_tensor, rebuild_tensor
for words in (4, 8, 124, 128, 132, 1000):
    data = torch.randint(-2**62, 2**62, (words,), dtype=torch.int64)
    a, b, p, q = encode_tensor(data, fused=False)
    p2, q2 = torch.empty_like(p), torch.empty_like(q)
    kernel.parity(a, b, p2, q2, block=64, warps=1)
    assert torch.equal(p, p2) and torch.equal(q, q2), words
    shares = (a, b, p, q)
    for first, second in combinations(range(4), 2):
        message = torch.empty_like(data)
        kernel.solve(first, second, shares[first], shares[second], message, block=64, warps=1)
        assert torch.equal(message, data), (words, first, second)
print("equal")
"""


def test_the_kernels_equal_the_equations() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHECK],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip() == "equal", done.stderr[-2000:]
