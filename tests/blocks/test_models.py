from __future__ import annotations

import json

import pytest

from chimera_pipelines import blocks
from chimera_pipelines.blocks.faults import BlocksError

ROWS = [[0.1, 0.2], [0.4, -0.3], [1.0, 0.9], [0.2, 0.1], [0.0, 0.1]]


def test_kernel_matrices_are_lists_of_fidelities():
    square = blocks.kernel_matrix(ROWS)
    assert json.loads(json.dumps(square)) == square
    assert [row[i] for i, row in enumerate(square)] == [1.0] * 5
    between = blocks.kernel_matrix(ROWS[:2], ROWS, embedding="angle")
    assert (len(between), len(between[0])) == (2, 5)


def test_anomalies_are_scored_and_flagged():
    found = blocks.anomaly(ROWS, [*ROWS, [9.0, -9.0]], quantile=0.5)
    assert json.loads(json.dumps(found)) == found
    assert max(found["scores"]) == found["scores"][-1]
    assert found["flagged"][-1] is True


def test_a_ranking_counts_pairs_and_ties():
    assert blocks.auc([0.1, 0.4, 0.4, 0.9], [False, False, True, True]) == 0.875
    for scores, anomalous in (
        ([0.1], [True]),
        ([0.1, 0.2], [True]),
        ([0.1, 0.2], [1, 2]),
        ([0.1], None),
    ):
        with pytest.raises(BlocksError, match=r"^MAML505: "):
            blocks.auc(scores, anomalous)


def test_syndromes_are_learned():
    rows = [[i & 1, i >> 1 & 1] for i in range(4)] * 30
    flips = [[a ^ b] for a, b in rows]
    found = blocks.syndrome_classifier(rows, flips, rows[:4], epochs=60, batch=32, rate=0.01)
    assert found["flips"] == flips[:4]
    assert len(found["losses"]) == 60


def test_any_seed_that_json_can_hold_trains():
    seed = 2**53 - 1
    found = blocks.syndrome_classifier([[0], [1]], [[0], [1]], [[0]], epochs=2, seed=seed)
    assert len(found["losses"]) == 2


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: blocks.kernel_matrix([[1.0, 2.0], [1.0]]), "MAML412: rows: row 1 has 1 numbers"),
        (lambda: blocks.kernel_matrix([[float("nan")]]), "MAML412: rows: row 0, column 0 is nan"),
        (lambda: blocks.kernel_matrix(ROWS, [[1.0]]), "MAML412: others: rows of 1 numbers"),
        (
            lambda: blocks.kernel_matrix([[0.0, 0.0]], embedding="amplitude"),
            "MAML412: row 0 is a vector of zeros",
        ),
        (lambda: blocks.kernel_matrix(ROWS, embedding=[]), "MAML412: embedding method []"),
        (lambda: blocks.anomaly(ROWS[:2], ROWS), "MAML505: 2 normal rows"),
        (lambda: blocks.anomaly(ROWS, ROWS, quantile=2.0), "MAML505: quantile"),
        (lambda: blocks.anomaly(ROWS, [[1.0]]), "MAML412: rows: rows of 1"),
        (
            lambda: blocks.syndrome_classifier([[0, 1]], [[2]], [[0, 1]]),
            "MAML505: observables: row 0, column 0 is 2.0",
        ),
        (lambda: blocks.syndrome_classifier([[0, 1]], [[1]], [[0]]), "MAML505: judged"),
    ],
)
def test_bad_rows_are_coded_and_located(call, text):
    with pytest.raises(BlocksError) as caught:
        call()
    assert str(caught.value).startswith(text)
