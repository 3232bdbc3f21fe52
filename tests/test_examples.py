"""The documents that ship in `data/documents/`, on copies, against answers found without them.

Seeds stand in the documents, so a run repeats itself: a statistical bound below fails with its
stated probability once, when a seed or a simulator changes, and not from run to run.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from chimera_pipelines.ledger.counts import Counting
from chimera_pipelines.lifecycle.examples import NAMES
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.maml.reader import read_file
from chimera_pipelines.runner import run_plan
from chimera_pipelines.scheduling.plan import load_plan
from chimera_pipelines.settings import Settings, settings
from tests.quantum.dense import ising, pauli_matrix

DATA = Path(__file__).resolve().parents[1] / "data"
BOND_LENGTHS = ("0.60", "0.70", "0.735", "0.80", "1.00", "1.40")
CHEMICAL_ACCURACY = 0.0015936  # hartree, 1 kcal/mol
FALSE_FAILURE = 1e-6


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `CHIMERA_HOME` with copies of the shipped documents, without a History, and data sets."""
    found = tmp_path / "home"
    (found / "documents").mkdir(parents=True)
    for name in NAMES:
        text = (DATA / "documents" / name).read_text("utf-8")
        (found / "documents" / name).write_text(text.partition("## History\n")[0], "utf-8")
    shutil.copytree(DATA / "datasets", found / "datasets")
    monkeypatch.setenv("CHIMERA_HOME", str(found))
    monkeypatch.setattr("chimera_pipelines.defs.project._known", {})
    settings.cache_clear()
    yield found
    settings.cache_clear()


def chimera_run(home: Path, slug: str, *options: str) -> dict[str, Any]:
    """`chimera run --json` of a copy, in a process of its own as a user has it."""
    entry = "from chimera_pipelines.cli.main import run; run()"
    document = home / "documents" / f"{slug}.maml.md"
    done = subprocess.run(
        [sys.executable, "-c", entry, "run", str(document), *options, "--json"],
        env={**os.environ, "CHIMERA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def run(home: Path, slug: str) -> dict[str, Any]:
    """Outputs by kernel of a run without Dagster."""
    return {k["name"]: k["output"] for k in chimera_run(home, slug)["kernels"]}


def hoeffding(samples: int, *, tests: int = 1) -> float:
    """Distance that the mean of `samples` values in [0, 1] keeps from its expectation.

    All of `tests` means keep it with a probability of at least 1 − `FALSE_FAILURE`.
    """
    return math.sqrt(math.log(2 * tests / FALSE_FAILURE) / (2 * samples))


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_document_is_clean(name: str) -> None:
    found = read_file(DATA / "documents" / name).diagnostics
    assert [d for d in found if d.severity != "info"] == []


def test_bell_gives_equal_bits_half_of_them_ones(home: Path) -> None:
    outputs = run(home, "bell")
    assert set(outputs["bell"]["counts"]) == {"00", "11"}
    assert sum(outputs["bell"]["counts"].values()) == outputs["bell"]["shots"] == 4000
    assert outputs["agreement"]["agreement"] == 1.0
    assert outputs["agreement"]["ones"] == pytest.approx(0.5, abs=hoeffding(4000))


def test_ghz_127_gives_all_zeros_or_all_ones(home: Path) -> None:
    outputs = run(home, "ghz_127")
    counts = outputs["ghz"]["counts"]
    assert set(counts) == {"0" * 127, "1" * 127}
    assert sum(counts.values()) == outputs["ghz"]["shots"] == 4000
    assert counts["0" * 127] / 4000 == pytest.approx(0.5, abs=hoeffding(4000))
    assert outputs["report"] == {
        "shots": 4000,
        "zeros": counts["0" * 127],
        "ones": counts["1" * 127],
        "others": 0,
    }


def test_qaoa_100_gives_the_cut_of_every_edge_on_its_neighbourhood(home: Path) -> None:
    """Each edge by itself: a dense state of its ends and their neighbours, at most 6 qubits."""
    outputs = run(home, "qaoa_100")
    edges = [tuple(edge) for edge in outputs["graph"]["edges"]]
    assert len(set(edges)) == 150
    assert all(sum(node in edge for edge in edges) == 3 for node in range(100))
    gamma, beta = math.atan(1 / math.sqrt(2)), math.pi / 8
    expected = sum((1 - zz_of_edge(edge, edges, gamma, beta)) / 2 for edge in edges)
    assert outputs["qaoa"]["expected_cut"] == pytest.approx(expected, abs=1e-9)
    assert outputs["report"]["formula"] == pytest.approx(expected, abs=1e-9)
    assert outputs["report"]["error"] < 1e-9


def zz_of_edge(
    edge: tuple[int, int], edges: list[tuple[int, int]], gamma: float, beta: float
) -> float:
    """⟨ZZ⟩ after one layer, from matrices: edges that touch neither end cancel."""
    near = [other for other in edges if set(other) & set(edge)]
    place = {node: at for at, node in enumerate(sorted({n for other in near for n in other}))}
    index = np.arange(1 << len(place))
    sign = {node: 1 - 2 * (index >> at & 1) for node, at in place.items()}
    phase = sum(sign[a] * sign[b] for a, b in near)
    state = np.exp(0.5j * gamma * phase) / math.sqrt(len(index))
    mixer = np.array(
        [[math.cos(beta), -1j * math.sin(beta)], [-1j * math.sin(beta), math.cos(beta)]]
    )
    for at in range(len(place)):
        state = np.einsum("ij,ajb->aib", mixer, state.reshape(-1, 2, 1 << at)).reshape(-1)
    return float((np.abs(state) ** 2) @ (sign[edge[0]] * sign[edge[1]]))


@pytest.mark.slow
def test_h2_reaches_chemical_accuracy_at_every_bond_length(home: Path) -> None:
    """One process runs all partitions: heads, sessions and programs are used again."""
    runs = chimera_run(home, "h2_vqe", "--all-partitions")["runs"]
    assert tuple(one["partition"] for one in runs) == BOND_LENGTHS
    for one in runs:
        integrals = next(k["output"] for k in one["kernels"] if k["name"] == "integrals")
        report = one["outputs"]["report"]
        exact = ground_state(integrals["coefficients"]) + integrals["repulsion"]
        assert report["exact_total_energy"] == pytest.approx(exact, abs=1e-9)
        assert abs(report["total_energy"] - exact) < CHEMICAL_ACCURACY
        assert report["within_chemical_accuracy"] is True
    known = runs[BOND_LENGTHS.index("0.735")]["outputs"]["report"]["exact_total_energy"]
    assert known == pytest.approx(-1.137306, abs=1e-6)


def ground_state(coefficients: list[float]) -> float:
    """Lowest eigenvalue of c0 + c1 (ZI + IZ) + c2 ZZ + c3 XX, block by block in closed form."""
    c0, c1, c2, c3 = coefficients
    even = c0 + c2 - math.hypot(2 * c1, c3)  # spanned by |00> and |11>
    odd = c0 - c2 - abs(c3)
    return min(even, odd)


def test_qaoa_finds_the_maximum_cut(home: Path) -> None:
    edges = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (0, 3), (1, 4), (2, 5)]
    cuts = [
        sum((a in side) != (b in side) for a, b in edges)
        for size in range(7)
        for side in map(set, combinations(range(6), size))
    ]
    outputs = run(home, "qaoa_maxcut")
    assert max(cuts) == 7
    assert outputs["exact"] == {"max_cut": 7, "optimal_cuts": cuts.count(7)}
    report = outputs["report"]
    assert report["max_cut"] == 7
    assert report["found_optimum"] is True
    assert 0.85 < report["approximation_ratio"] <= 1


def test_the_quench_is_within_its_bound_of_the_exact_evolution(home: Path) -> None:
    """Against scipy's exponential, as the document's own exact values are by diagonalisation."""
    report = run(home, "ising_quench")["report"]
    n, j, h = report["qubits"], report["j"], report["h"]
    hamiltonian = pauli_matrix(ising(n, j, h))
    magnetisation = pauli_matrix({"I" * q + "Z" + "I" * (n - 1 - q): 1 / n for q in range(n)})
    exact = []
    for time in report["times"]:
        state = expm(-1j * time * hamiltonian)[:, 0]
        exact.append(float((state.conj() @ magnetisation @ state).real))
    assert n >= 6
    assert len(exact) >= 8
    assert report["exact"] == pytest.approx(exact, abs=1e-8)
    error = max(abs(a - b) for a, b in zip(report["magnetization"], exact, strict=True))
    assert error == pytest.approx(report["max_error"], abs=1e-6)
    assert 0 < error <= report["bound"]


def test_the_quantum_kernel_is_the_fidelity_of_state_vectors(home: Path) -> None:
    """496 pairs of 4,096 shots each; each of the two bounds fails falsely with p < 1e-6."""
    outputs = run(home, "quantum_kernel_classifier")
    rows = outputs["features"]["rows"]
    assert rows == [pytest.approx(row, abs=1e-9) for row in iris_features(len(rows))]
    x = np.array([[row["f0"], row["f1"], row["f2"]] for row in rows])
    states = np.array([feature_state(row) for row in x])
    exact = np.abs(states.conj() @ states.T) ** 2
    gram = np.array(outputs["gram"]["gram"])
    pairs = np.triu_indices(len(rows), 1)
    apart = gram[pairs] - exact[pairs]
    assert np.abs(apart).max() < hoeffding(4096, tests=len(apart))
    assert abs(apart.mean()) < hoeffding(4096 * len(apart))
    assert (gram == gram.T).all()
    assert (gram.diagonal() == 1).all()

    assert outputs["readout"]["counts"] == {"111": 20000}  # a simulator without readout error
    labels = np.array([row["label"] for row in rows], dtype=float)
    distance = ((x[:, None, :] - x[None, :, :]) ** 2).sum(axis=2)
    assert outputs["train"] == {
        "quantum_accuracy": ridge_accuracy(gram, labels),
        "gaussian_accuracy": ridge_accuracy(np.exp(-distance / 2), labels),
        "held_out": 8,
    }


def iris_features(limit: int) -> list[Mapping[str, Any]]:
    """The rows of the document's SQL block, from the CSV file without SQL."""
    with (DATA / "datasets/iris/measurements.csv").open(encoding="utf-8") as file:
        plants = [row for row in csv.DictReader(file) if row["species"] != "setosa"]
    columns = ("petal_length", "petal_width", "sepal_length")
    values = np.array([[float(row[column]) for column in columns] for row in plants])
    scaled = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    rows = [
        {
            "sample_id": plant["plant"],
            **{f"f{i}": float(z) for i, z in enumerate(row)},
            "label": 1 if plant["species"] == "versicolor" else -1,
        }
        for plant, row in zip(plants, scaled, strict=True)
    ]
    by_digest = sorted(rows, key=lambda row: hashlib.md5(row["sample_id"].encode()).hexdigest())  # noqa: S324
    return by_digest[:limit]


def feature_state(x: np.ndarray) -> np.ndarray:
    """The feature map's state, shape (8,) complex128, qubit 0 leftmost: no library of circuits."""
    one, z = np.eye(2), np.diag([1.0, -1.0])
    lift = [[z if i == qubit else one for i in range(3)] for qubit in range(3)]
    signs = [np.kron(np.kron(*parts[:2]), parts[2]).diagonal() for parts in lift]
    phase = sum(x[i] * signs[i] for i in range(3))
    phase = phase + sum(x[i] * x[j] * signs[i] * signs[j] for i, j in ((0, 1), (1, 2)))
    state = np.exp(-0.5j * phase) / math.sqrt(8)
    turn = [
        np.array([[math.cos(t / 2), -math.sin(t / 2)], [math.sin(t / 2), math.cos(t / 2)]])
        for t in x
    ]
    return np.kron(np.kron(turn[0], turn[1]), turn[2]) @ state


def ridge_accuracy(kernel: np.ndarray, labels: np.ndarray) -> float:
    held = np.arange(len(labels)) % 4 == 0
    kept = ~held
    alpha = np.linalg.solve(kernel[kept][:, kept] + 0.05 * np.eye(kept.sum()), labels[kept])
    return float((np.sign(kernel[held][:, kept] @ alpha) == labels[held]).mean())


@pytest.mark.slow
def test_dagster_and_the_runner_give_h2_the_same_digests(home: Path, tmp_path: Path) -> None:
    import dagster as dg

    from chimera_pipelines.defs.launch import run_in_dagster

    document = home / "documents/h2_vqe.maml.md"
    folder = tmp_path / "dagster"
    folder.mkdir()
    with dg.instance_for_test(temp_dir=str(folder)) as instance:
        theirs = run_in_dagster(document, partition="1.00", instance=instance)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "documents").mkdir(parents=True)
    shutil.copy(document, elsewhere / "documents")
    plan = load_plan(elsewhere / "documents" / document.name, None)
    with Services(Settings(home=elsewhere)) as services:
        ours = run_plan(plan, services, partition="1.00").as_json()
    for name in ("input_digest", "output_digest", "status"):
        assert [k[name] for k in ours["kernels"]] == [k[name] for k in theirs["kernels"]]
    assert [k["status"] for k in ours["kernels"]] == ["ok", "ok", "ok"]


MEMORY_RATES = {  # of d rounds: 84 M shots at distance 3, 0.5 %; both with room for 4,000 errors
    "0.005": {3: (0.0155, 0.0184), 5: (0.0124, 0.0152)},
    "0.001": {3: (0.0004, 0.0013)},
}


@pytest.mark.parametrize("physical", sorted(MEMORY_RATES))
def test_surface_code_memories_have_the_known_rates(home: Path, physical: str) -> None:
    found = chimera_run(home, "surface_code_memory", "--partition", physical)
    outputs = {kernel["name"]: kernel["output"] for kernel in found["kernels"]}
    rows = [row for row in outputs["memory"]["rows"] if row["noise"] == "uniform"]
    assert [(row["distance"], row["rounds"]) for row in rows] == [(3, 3), (5, 5), (7, 7)]
    for row in rows:
        assert row["physical"] == float(physical)
        assert row["low"] <= row["logical"] <= row["high"]
        low, high = MEMORY_RATES[physical].get(row["distance"], (0, 1))
        assert low <= row["logical"] <= high
    # Below threshold a larger code is better; small ones cross between 0.6 and 0.75 %.
    assert rows[0]["logical"] > rows[1]["logical"] > rows[2]["logical"]
    assert 0.006 < outputs["threshold"]["crossing"] < 0.0075
    made = [*outputs["memory"]["rows"], *outputs["threshold"]["rows"]]
    counting = Counting(settings().ledger)
    assert sum(counting.now().tallies["decoder_shots"].values()) == sum(r["shots"] for r in made)
    counting.close()


def test_at_one_per_cent_the_document_says_that_no_distance_suffices(home: Path) -> None:
    options = ("--partition", "0.01", "--input", "trials=20000", "--input", "sweep_trials=2000")
    found = chimera_run(home, "surface_code_memory", *options)
    output = next(k["output"] for k in found["kernels"] if k["name"] == "memory")
    for row, said in zip(output["rows"], output["statements"], strict=True):
        assert ("no distance suffices" in said) is (row["noise"] == "uniform")


def test_shuttle_anomalies_are_scored_by_the_fidelity_of_their_states(home: Path) -> None:
    """With one turn a qubit the fidelity has a closed form: the product of cos² of half angles."""
    outputs = run(home, "quantum_anomaly")
    rows = outputs["split"]["rows"]
    values = np.array([[row[f"s{j}"] for j in range(2, 10)] for row in rows], dtype=float)
    learned = np.array([row["learned"] for row in rows])
    anomalous = np.array([row["anomalous"] for row in rows])[~learned]
    assert (learned.sum(), (~learned).sum(), anomalous.sum()) == (200, 278, 78)
    assert not any(row["anomalous"] for row in rows if row["learned"])
    normal = values[learned]
    middle = np.sort(normal, axis=0)[99]  # the lower of both middle ones, as torch has it
    spread = 1.4826 * np.sort(np.abs(normal - middle), axis=0)[99]
    spread = np.where(spread > 0, spread, normal.std(0, ddof=1))
    angles = np.clip((values - middle) / spread, -4, 4) * np.pi / 8
    known, judged = angles[learned], angles[~learned]
    gram, between = (
        np.prod(np.cos((x[:, None] - known[None]) / 2) ** 2, axis=2) for x in (known, judged)
    )
    inverse = np.linalg.inv(gram + 0.01 * np.eye(200))
    scores = 1 - np.einsum("ij,jk,ik->i", between, inverse, between)
    found = outputs["kernel"]
    assert found["score"] == pytest.approx(list(scores), abs=1e-9)
    threshold = np.quantile(1 / np.diag(inverse) - 0.01, 0.98)
    assert found["threshold"][0] == pytest.approx(threshold, abs=1e-9)
    pairs = (scores[anomalous][:, None] > scores[~anomalous][None]).mean()
    report = outputs["report"]
    assert report["auc"] == pytest.approx(pairs, abs=1e-6)
    assert (report["found"], report["false_alarms"]) == (65, 2)
    assert report["largest_deviation"] < hoeffding(20000, tests=4)
    halves = [np.prod(np.cos((np.subtract(x, y)) / 2) ** 2) for x, y in found["pairs"]]
    assert found["exact"] == pytest.approx(halves, abs=1e-12)


@pytest.mark.parametrize(
    ("day", "status", "window"),
    [
        ("2026-07-01", "good", None),
        ("2026-07-02", "warn", "2026-07-02T12:50:00Z"),
        ("2026-07-03", "stop", "2026-07-03T05:10:00Z"),
    ],
)
def test_calibration_drift_is_found(home: Path, day: str, status: str, window: str | None) -> None:
    report = chimera_run(home, "calibration_watch", "--partition", day)
    outputs = {kernel["name"]: kernel["output"] for kernel in report["kernels"]}
    rows = outputs["windows"]["rows"]
    assert len(rows) == 144
    names = ("t1", "t2", "readout", "drive", "fridge")
    values = np.array([[row[name] for name in names] for row in rows])
    reference = np.array([3.0, 2.5, 4.0, 3.5, 2.0])
    middle = np.sort(values, axis=0)[71]  # the lower of both middle ones, as torch has it
    spread = 1.4826 * np.sort(np.abs(values - middle), axis=0)[71]
    scores = (np.abs(values - reference) / spread).max(axis=1)
    worst = int(scores.argmax())
    assert outputs["outliers"]["scores"] == pytest.approx(list(scores), abs=1e-9)
    assert outputs["outliers"]["worst_window"] == (window or rows[worst]["window_start"])
    vector = values[worst]
    exact = (vector @ reference) ** 2 / (vector @ vector) / (reference @ reference)
    assert abs(outputs["overlap"]["overlap"] - exact) < hoeffding(8192, tests=3)
    assert all(
        row["low"] <= row["logical_error"] <= row["high"] for row in outputs["memory"]["results"]
    )
    assert outputs["verdict"] == {"status": status}
