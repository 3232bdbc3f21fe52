"""Anomaly model: how far a row's state lies outside the span of the states of normal rows.

Score s(x) = k(x, x) - k(x, N) (K + ridge)^-1 k(N, x), the variance of a Gaussian process with a
quantum kernel: 0 where normal rows explain x, towards 1 where none does. The threshold is a
quantile of the normal rows' own scores, each computed without itself (the closed form of
leave-one-out), so no labelled anomaly is needed. Nothing here is random.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chimera_pipelines.learning.bad_data import DATA, FEATURES, positive, refused
from chimera_pipelines.learning.kernels import gram
from chimera_pipelines.quantum.embedding import Embedding

_LEAST_ROWS = 4
_SPREAD = 1.4826  # of a normal distribution, over its median absolute deviation
_CLIP = 4.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of rows, and which of them are above the threshold."""

    scores: tuple[float, ...]
    flagged: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyModel:
    """A fitted model.

    Attributes:
        embedding: of standardised features as states.
        normal: standardised normal rows, float64 (rows, features).
        centre, spread: median and deviation of each feature.
        inverse: (K + ridge)^-1, float64 (rows, rows).
        threshold: scores above it are flagged.
    """

    embedding: Embedding
    normal: Tensor
    centre: Tensor
    spread: Tensor
    inverse: Tensor
    threshold: float
    device: str
    precision: str

    def score(self, rows: Tensor) -> Scores:
        """Scores of float64 rows (rows, features).

        Raises:
            KernelError: MAML412, MAML413.
        """
        if rows.shape[1] != self.normal.shape[1]:
            wanted = self.normal.shape[1]
            raise refused(FEATURES, f"rows of {rows.shape[1]} features; {wanted} were fitted")
        scaled = _scaled(rows, self.centre, self.spread)
        between = gram(
            scaled,
            self.normal,
            embedding=self.embedding,
            device=self.device,
            precision=self.precision,
        )
        found = 1.0 - ((between @ self.inverse) * between).sum(1)
        return Scores(tuple(found.tolist()), tuple((found > self.threshold).tolist()))


def fit(
    rows: Tensor,
    *,
    embedding: Embedding | None = None,
    ridge: float = 1e-2,
    quantile: float = 0.98,
    device: str = "auto",
    precision: str = "double",
) -> AnomalyModel:
    """A model of normal rows.

    Args:
        rows: float64 (rows, features), believed to be normal.
        embedding: of standardised features.
        ridge: added to the diagonal of the Gram matrix: noise that normal rows may have.
        quantile: share of normal rows that stays below the threshold.
        device: "cpu", "cuda" or "auto".
        precision: of the states.

    Raises:
        KernelError: MAML505 for too few rows or options out of range, MAML412, MAML413.
    """
    if rows.shape[0] < _LEAST_ROWS:
        raise refused(DATA, f"{rows.shape[0]} normal rows; at least {_LEAST_ROWS} are needed")
    ridge = positive(ridge, "ridge")
    if positive(quantile, "quantile") > 1.0:
        raise refused(DATA, f"quantile is {quantile!r}, above 1")
    embedding = embedding or Embedding.of("angle")
    centre = rows.median(0).values
    deviation = (rows - centre).abs().median(0).values * _SPREAD
    spread = torch.where(deviation > 0, deviation, _fallback(rows))
    normal = _scaled(rows, centre, spread)
    matrix = gram(normal, embedding=embedding, device=device, precision=precision)
    inverse = torch.linalg.inv(matrix + ridge * torch.eye(rows.shape[0], dtype=torch.float64))
    inverse = (inverse + inverse.T) / 2
    alone = 1.0 / inverse.diagonal() - ridge
    threshold = float(torch.quantile(alone, quantile))
    return AnomalyModel(embedding, normal, centre, spread, inverse, threshold, device, precision)


def _fallback(rows: Tensor) -> Tensor:
    """Standard deviation where more than half of a feature is one value, 1 where all of it is."""
    deviation = rows.std(0)
    return torch.where(deviation > 0, deviation, torch.ones_like(deviation))


def _scaled(rows: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
    """Deviations, held within four of them and turned into angles of at most pi/2."""
    steps = ((rows - centre) / spread).clamp(-_CLIP, _CLIP)
    return steps * (torch.pi / 2 / _CLIP)


def auc(scores: Tensor, anomalous: Tensor) -> float:
    """Chance that an anomalous row scores above a normal one (ties count half).

    Raises:
        KernelError: MAML505, one of the classes is empty.
    """
    above, below = scores[anomalous], scores[~anomalous].sort().values
    if above.numel() == 0 or below.numel() == 0:
        raise refused(DATA, "scores of one class alone have no ranking")
    wins = sum(torch.searchsorted(below, above, right=right) for right in (False, True))
    return float(torch.as_tensor(wins).double().mean()) / (2 * below.numel())
