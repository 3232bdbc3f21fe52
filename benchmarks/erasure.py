"""The ring's (4,2) code against a copy of the same bytes, on the CPU or on a GPU.

    python -m benchmarks.erasure [--mebibytes 1 64 256 1024]
    python -m benchmarks.erasure --gpu [--mebibytes 256 1024 4096 8192] [--json]

Encoding reads a message and writes as many bytes of parity; the worst rebuild (of shares 2 and 3)
reads two shares and writes the message: both move what a copy moves, and `ratio` is to a copy in
the same round. A copy of more than the cache holds writes past the cache, which numpy's XOR cannot:
so the code goes in pieces, as the ring does, which works on stripes.

On the CPU figures are GB of payload per CPU second of one thread. `pieces`: 8 MiB each, results
into the same memory, by the code and by a copy. `whole`: all at once into other memory. `fresh`:
as `encode` and `rebuild` give it, in memory that is new each time.

On a GPU they are GB of payload a second by CUDA events, once by torch's four passes and once by the
fused kernel; that both give numpy's bytes is checked first, for many sizes and all pairs of shares.
A check that fails ends the program with exit code 1.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks import report
from chimera_pipelines.ring.code import SHARES, encode, parity, rebuild, share_length, solve
from chimera_pipelines.ring.tensor_code import encode_tensor, rebuild_tensor

if TYPE_CHECKING:
    from torch import Tensor

Words = npt.NDArray[np.uint64]
WORST = (2, 3)
_PIECE = (8 << 20) // 8
# A page and a line, so that the streams do not fall on the same lines of the cache.
_SKEW = 520
_CHECKED = (0, 1, 31, 32, 33, 4095, 65_536, 65_544, (1 << 20) + 16, (1 << 22) - 8, (1 << 24) + 40)


def xor(first: Words, second: Words, out: Words) -> None:
    np.bitwise_xor(first, second, out=out)


def rate(size: int, work: Callable[[], object], rounds: int = 7) -> float:
    """GB of payload per CPU second, best of `rounds`."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return size / best / 1e9


def on_cpu(size: int) -> dict[str, object]:
    """Figures of a message of `size` bytes, a multiple of 32."""
    words = np.frombuffer(secrets.token_bytes(size), dtype=np.uint64)
    space = np.zeros(words.size + _SKEW, dtype=np.uint64)
    row: dict[str, object] = {"mebibytes": size >> 20}
    row |= _in("pieces", words, space, min(words.size, _PIECE))
    row |= _in("whole", words, space, words.size)
    del space
    shares = encode(words.data)
    copy = rate(size, words.copy)
    encoded = rate(size, lambda: encode(words.data))
    rebuilt = rate(size, lambda: rebuild({2: shares[2], 3: shares[3]}, size))
    return row | {
        "fresh_copy": copy,
        "fresh_encode_ratio": encoded / copy,
        "fresh_rebuild_ratio": rebuilt / copy,
    }


def _in(name: str, words: Words, space: Words, piece: int) -> dict[str, object]:
    """Figures of a message worked through in pieces of so many words, into the same memory."""
    half, size = piece // 2, words.size * 8
    target, p, q = space[:piece], space[:half], space[half + _SKEW : piece + _SKEW]

    def through(work: Callable[[Words], object]) -> None:
        for start in range(0, words.size, piece):
            work(words[start : start + piece])

    copy = rate(size, lambda: through(lambda part: np.copyto(target, part)))
    coded = rate(size, lambda: through(lambda m: parity(xor, m[:half], m[half:], p, q)))
    solved = rate(size, lambda: through(lambda s: solve(xor, *WORST, s[:half], s[half:], target)))
    return {
        f"{name}_copy": copy,
        f"{name}_encode_ratio": coded / copy,
        f"{name}_rebuild_ratio": solved / copy,
    }


def check_on_gpu() -> int:
    """Every size and pair: torch's passes and the fused kernel give numpy's bytes.

    Raises:
        SystemExit: they do not.
    """
    import torch

    checks = 0
    for size, fused in ((size, fused) for size in _CHECKED for fused in (False, True)):
        data = secrets.token_bytes(size)
        tensor = torch.frombuffer(bytearray(data) or bytearray(1), dtype=torch.uint8)[:size].cuda()
        wanted = [bytes(share) for share in encode(data)]
        shares = encode_tensor(tensor, fused=fused)
        found = [share.cpu().numpy().tobytes() for share in shares]
        if found != wanted:
            raise SystemExit(f"encode of {size} bytes, fused={fused}: other bytes than numpy's")
        for pair in combinations(range(SHARES), 2):
            message = rebuild_tensor({i: shares[i] for i in pair}, size, fused=fused)
            if message.cpu().numpy().tobytes() != data:
                raise SystemExit(f"rebuild of {size} bytes from {pair}, fused={fused}: other bytes")
            checks += 1
    return checks


def on_gpu(size: int) -> Iterator[Mapping[str, object]]:
    """Figures of a message of `size` bytes by each way."""
    import torch

    words = torch.randint(-(2**62), 2**62, (size // 8,), dtype=torch.int64, device="cuda")
    target = torch.empty_like(words)
    copy = seconds_on_gpu(partial(target.copy_, words))
    del target
    for name, fused in (("torch", False), ("triton", True)):
        coded = seconds_on_gpu(partial(encode_tensor, words, fused=fused))
        shares = encode_tensor(words, fused=fused)
        two = {index: shares[index] for index in WORST}
        solved = seconds_on_gpu(partial(rebuild_tensor, two, size, fused=fused))
        whole = torch.equal(rebuild_tensor(two, size, fused=fused).view(torch.int64), words)
        if not whole:
            raise SystemExit(f"{name}: {size} bytes do not come back")
        yield {
            "mebibytes": size >> 20,
            "way": name,
            "copy_gb_s": size / copy / 1e9,
            "encode_gb_s": size / coded / 1e9,
            "encode_ratio": copy / coded,
            "worst_rebuild_gb_s": size / solved / 1e9,
            "rebuild_ratio": copy / solved,
        }
        del shares, two
        torch.cuda.empty_cache()


def seconds_on_gpu(work: Callable[[], Tensor | tuple[Tensor, ...]], rounds: int = 21) -> float:
    """Median seconds of a call by CUDA events, warm."""
    import torch

    for _ in range(3):
        work()
    taken = []
    for _ in range(rounds):
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        work()
        ended.record()
        torch.cuda.synchronize()
        taken.append(begun.elapsed_time(ended) / 1000)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, nargs="+")
    parser.add_argument("--gpu", action="store_true", help="on CUDA instead of on the CPU")
    parser.add_argument("--json", action="store_true", help="no table: the JSON alone")
    options = parser.parse_args()
    note, packages = "", ["numpy"]
    if options.gpu:
        import torch

        sizes = options.mebibytes or [256, 1024, 2048, 4096, 8192]
        checks = check_on_gpu()
        note = f"{checks} rebuilds equal numpy's bytes on {torch.cuda.get_device_name()}"
        rows = [row for size in sizes for row in on_gpu(size << 20)]
        packages += ["torch", "triton"]
    else:
        sizes = options.mebibytes or [1, 16, 64, 256, 1024]
        assert all(2 * share_length(size << 20) == size << 20 for size in sizes)
        rows = [on_cpu(size << 20) for size in sizes]
    report.publish("erasure", rows, packages=packages, note=note, quiet=options.json)


if __name__ == "__main__":
    main()
