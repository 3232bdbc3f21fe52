"""Compiling many documents: text to Plan with its digest, and how it grows.

    python -m benchmarks.compile [--documents 250 500 1000] [--processes 1 2] [--kernels 6]

Goal: 1,000 documents in less than 10 s on two cores, time proportional to their number. With more
than one process the wall time includes starting and ending them, and `cpu_s` is the sum of all.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks import report
from benchmarks.documents import document
from chimera_pipelines.maml.reader import read_text
from chimera_pipelines.scheduling.plan import compile_plan

PIECES = 8  # for each process, so that none waits long for the last one


def compile_all(texts: list[bytes]) -> set[str]:
    """Digests of the plans."""
    paths = [f"data/documents/generated_{number}.maml.md" for number in range(len(texts))]
    return {
        compile_plan(read_text(text, path)).digest for text, path in zip(texts, paths, strict=True)
    }


def in_processes(texts: list[bytes], processes: int) -> set[str]:
    """`compile_all` by so many processes."""
    if processes == 1:
        return compile_all(texts)
    size = max(1, len(texts) // (processes * PIECES))
    pieces = [texts[start : start + size] for start in range(0, len(texts), size)]
    context = multiprocessing.get_context("fork")  # this process has no threads
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return set().union(*pool.map(compile_all, pieces))


def rows(counts: list[int], processes: list[int], kernels: int) -> Iterator[dict[str, object]]:
    first = 0
    for workers in processes:
        for count in counts:
            # Every document, block and schema of every row has a text of its own: nothing that is
            # cached by text helps.
            texts = [document(number, kernels).encode() for number in range(first, first + count)]
            first += count
            wall, cpu = time.perf_counter(), report.cpu_seconds()
            assert len(in_processes(texts, workers)) == count
            wall, cpu = time.perf_counter() - wall, report.cpu_seconds() - cpu
            yield {
                "processes": workers,
                "documents": count,
                "kernels_each": kernels,
                "mean_bytes": sum(map(len, texts)) // count,
                "wall_s": wall,
                "cpu_s": cpu,
                "wall_ms_each": wall * 1000 / count,
                "cpu_ms_each": cpu * 1000 / count,
                "load": report.load(),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="+", default=[250, 500, 1000])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kernels", type=int, default=6)
    parser.add_argument("--write", type=Path, help="write one document there and stop")
    options = parser.parse_args()
    if options.write:
        options.write.write_text(document(0, options.kernels))
        return
    compile_all([document(-1, options.kernels).encode()])  # imports, and the profile's own schemas
    found = list(rows(options.documents, options.processes, options.kernels))
    report.publish("compile", found, packages=("jsonschema", "pyyaml", "markdown-it-py"))


if __name__ == "__main__":
    main()
