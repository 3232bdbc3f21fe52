from __future__ import annotations

import numpy as np
import pytest
import torch

from chimera_pipelines.errors import KernelError
from chimera_pipelines.learning.anomaly import auc, fit
from chimera_pipelines.learning.kernels import gram
from chimera_pipelines.quantum.embedding import Embedding


def normal_rows(count=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 1))
    return torch.tensor(np.hstack((x, 2 * x, -x)) + 0.05 * rng.normal(size=(count, 3)))


def test_rows_off_the_normal_ones_score_higher():
    model = fit(normal_rows(), device="cpu")
    inside = model.score(normal_rows(seed=1))
    outside = model.score(normal_rows(seed=1) * torch.tensor([1.0, -1.0, 1.0]) + 2.0)
    assert np.mean(outside.scores) > 5 * np.mean(inside.scores)
    assert sum(inside.flagged) <= 6
    assert sum(outside.flagged) >= 30
    assert all(-1e-9 <= s <= 1 + 1e-9 for s in inside.scores + outside.scores)


def test_the_threshold_is_a_quantile_of_scores_without_the_row_itself():
    rows, ridge = normal_rows(8), 1e-2
    model = fit(rows, ridge=ridge, quantile=0.5, device="cpu")
    kernel = gram(model.normal, embedding=Embedding.of("angle"), device="cpu")
    alone = []
    for i in range(8):
        others = [j for j in range(8) if j != i]
        inner = kernel[others][:, others] + ridge * torch.eye(7)
        k = kernel[i, others]
        alone.append(float(1 - k @ torch.linalg.solve(inner, k)))
    assert model.threshold == pytest.approx(float(np.quantile(alone, 0.5)), abs=1e-9)


def test_a_feature_that_never_changes_is_no_division_by_zero():
    rows = normal_rows()
    rows[:, 1] = 7.0
    assert np.isfinite(fit(rows, device="cpu").score(rows).scores).all()


def test_auc_counts_pairs_and_ties():
    scores = torch.tensor([0.1, 0.4, 0.4, 0.9])
    assert auc(scores, torch.tensor([False, False, True, True])) == pytest.approx(0.875)
    with pytest.raises(KernelError, match="one class"):
        auc(scores, torch.zeros(4, dtype=torch.bool))


def test_wrong_sizes_and_options_are_refused():
    with pytest.raises(KernelError, match="3 normal rows"):
        fit(normal_rows(3), device="cpu")
    with pytest.raises(KernelError, match=r"quantile is 1\.5"):
        fit(normal_rows(), quantile=1.5, device="cpu")
    with pytest.raises(KernelError, match="rows of 2 features; 3 were fitted"):
        fit(normal_rows(), device="cpu").score(torch.zeros(1, 2).double())
