"""Logical error rates of surface-code memories: the tables and the picture of docs/qec.md.

    python -m benchmarks.logical_rates [--seconds 0.5] [--picture docs/images/logical_rates.png]
        [--only uniform] [--keep rows.jsonl]

Each row gets so many processor seconds: a first batch says what a shot costs, the rest of the time
buys shots. A row ends early with 4,000 errors. Rates do not depend on the machine or its load; how
many shots a row has does. `optimum` is no count: the exact error probability of the best decoder
there is, from the distance-3 table. `--keep` names a file to which each row is added when it is
counted; rows that stand there are not counted again, so a run can be ended and taken up.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report

ERRORS = 4000
FIRST = 1024
PLAIN, TWICE = "pymatching", "pymatching_correlated"
RATES, FEW = (0.001, 0.002, 0.003, 0.005, 0.008, 0.01), (0.001, 0.003, 0.005, 0.01)
NEAR, FAR = (3, 5, 7, 9), (3, 5, 7, 9, 11, 13)
PLAN = (  # noise model, decoder, physical rates, distances
    ("uniform", PLAIN, RATES, FAR),
    ("uniform", TWICE, RATES, NEAR),
    ("sd6", PLAIN, FEW, NEAR),
    ("si1000", PLAIN, FEW, NEAR),
    ("phenomenological", PLAIN, (0.005, 0.01), FAR),
    ("code_capacity", PLAIN, (0.005, 0.01), NEAR),
)
OPTIMUM = (0.001, 0.003, 0.005, 0.01)


def counted(noise: str, distance: int, physical: float, decoder: str, seconds: float) -> Any:
    """One row from as many shots as the time buys."""
    from chimera_pipelines.qec.circuits import memory_circuit
    from chimera_pipelines.qec.experiment import Row, prepare
    from chimera_pipelines.qec.statistics import wilson

    rounds = 1 if noise == "code_capacity" else distance
    ready = prepare(memory_circuit(distance, rounds, noise=noise, physical=physical), decoder)
    started = time.process_time()
    errors, shots = ready.count(FIRST, seed=1)
    taken = time.process_time() - started
    left = int(FIRST * (seconds - taken) / max(taken, 1e-6))
    if left > 0 and errors < ERRORS:
        more = ready.count(left, seed=2, max_errors=ERRORS - errors)
        errors, shots = errors + more[0], shots + more[1]
    found = wilson(errors, shots)
    return Row(
        noise, distance, rounds, "z", physical, found.rate, found.low, found.high,
        errors, shots, decoder,
    )  # fmt: skip


def wanted(only: str | None) -> Iterator[tuple[str, int, float, str]]:
    """What the plan asks for, or that of one noise model: noise, distance, rate, decoder."""
    for noise, decoder, rates, distances in PLAN:
        for physical in rates if only in (None, noise) else ():
            for distance in distances:
                yield noise, distance, physical, decoder


def rows(only: str | None, seconds: float, keep: Path | None) -> Iterator[dict[str, Any]]:
    """All rows of the plan, or those of one noise model; kept ones are read."""
    lines = keep.read_text("utf-8").splitlines() if keep and keep.exists() else []
    kept = {
        tuple(row[name] for name in ("noise", "distance", "physical", "decoder")): row
        for row in map(json.loads, lines)
    }
    for key in wanted(only):
        if key not in kept:
            row = kept[key] = counted(*key, seconds).as_json()
            report.progress(f"{' '.join(map(str, key))}: {cell(row)}")
            if keep:
                with keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
        yield kept[key]


def optimum(physical: float) -> dict[str, Any]:
    """The best that any decoder can do at distance 3 under uniform noise."""
    from chimera_pipelines.qec.circuits import memory_circuit
    from chimera_pipelines.qec.table import TableDecoder

    circuit = memory_circuit(3, 3, noise="uniform", physical=physical)
    table = TableDecoder().compile_decoder_for_dem(dem=circuit.detector_error_model()).table
    return {"noise": "uniform", "distance": 3, "physical": physical, "optimum": table.error}


def cell(row: Mapping[str, Any]) -> str:
    """A rate with its half width in per cent; the interval where few errors were seen."""
    if row["errors"] < 20:
        return f"{row['low']:.1e}–{row['high']:.1e}" if row["errors"] else f"<{row['high']:.1e}"
    width = (row["high"] - row["low"]) / 2 / row["logical"]
    return f"{row['logical']:.3g} ±{100 * width:.0f}"


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """A line for each model, decoder and physical rate."""
    distances = sorted({row["distance"] for row in found})
    head = ["model", "decoder", "p %", *(f"d={d}" for d in distances)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    groups: dict[tuple[str, str, float], dict[int, str]] = {}
    for row in found:
        key = row["noise"], row["decoder"], row["physical"]
        groups.setdefault(key, {})[row["distance"]] = cell(row)
    for (noise, decoder, physical), cells in groups.items():
        told = [noise, decoder, f"{100 * physical:g}", *(cells.get(d, "") for d in distances)]
        lines.append("| " + " | ".join(told) + " |")
    return "\n".join(lines)


def draw(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Uniform noise with both decoders."""
    from chimera_pipelines.plotting import png
    from chimera_pipelines.qec.plots import logical_rates

    path.write_bytes(png(logical_rates([row for row in found if row["noise"] == "uniform"])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="processor seconds a row")
    parser.add_argument(
        "--only", choices=sorted({line[0] for line in PLAN}), help="one noise model"
    )
    parser.add_argument("--picture", type=Path, help="PNG to write")
    parser.add_argument("--keep", type=Path, help="JSON lines of rows that are counted")
    asked = parser.parse_args()
    found = list(rows(asked.only, asked.seconds, asked.keep))
    best = [optimum(p) for p in OPTIMUM] if asked.only in (None, "uniform") else []
    report.progress("\n" + markdown(found))
    for row in best:
        report.progress(f"optimum at d=3, {100 * row['physical']:g} %: {row['optimum']:.4g}")
    if asked.picture:
        draw(found, asked.picture)
    report.publish(
        "logical_rates", [*found, *best], packages=("stim", "pymatching", "sinter"), quiet=True
    )


if __name__ == "__main__":
    main()
