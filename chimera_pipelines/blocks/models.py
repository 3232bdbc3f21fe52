"""`kernel_matrix`, `anomaly` and `syndrome_classifier` for blocks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from chimera_pipelines.blocks.faults import plain_refusals
from chimera_pipelines.blocks.keeping import Kept

Rows = Sequence[Sequence[float]]


@plain_refusals
def kernel_matrix(
    rows: Rows,
    others: Rows | None = None,
    *,
    embedding: str = "iqp",
    axis: str = "ry",
    scale: float = 1.0,
    repeats: int = 2,
    pad: str = "error",
    precision: str = "double",
    device: str = "auto",
) -> list[list[float]]:
    """Fidelities |<x|y>|² of embedded rows: the whole matrix as one batch of states.

    Args:
        rows: numbers, equally many a row.
        others: the columns; default the rows themselves, then symmetric with ones in the diagonal.
        embedding: "angle", "iqp" or "basis" (a qubit a number), "amplitude" (the row, normalised):
            the methods of a document's `embedding`.
        axis: of "angle": "rx", "ry" or "rz".
        scale: factor of each angle, of "angle" and "iqp".
        repeats: of "iqp".
        pad: "zero" lets "amplitude" fill rows up to a power of two.
        precision: "single" or "double".
        device: "cpu", "cuda", or "auto".

    Returns:
        One list a row.

    Raises:
        BlocksError: MAML412 for numbers that are not finite, rows of mixed length, rows of zeros
            ("amplitude"), more features than qubits or an embedding that does not exist; MAML413
            for states that do not fit.
    """
    from chimera_pipelines.learning.bad_data import FEATURES, table
    from chimera_pipelines.learning.kernels import gram
    from chimera_pipelines.quantum.embedding import Embedding

    left = table(rows, "rows", code=FEATURES)
    right = None
    if others is not None:
        right = table(others, "others", width=left.shape[1], code=FEATURES)
    matrix = gram(
        left,
        right,
        embedding=Embedding.of(embedding, axis=axis, scale=scale, repeats=repeats, pad=pad),
        device=device,
        precision=precision,
    )
    found: list[list[float]] = matrix.tolist()
    return found


@plain_refusals
def anomaly(
    normal: Rows,
    rows: Rows,
    *,
    embedding: str = "angle",
    axis: str = "ry",
    scale: float = 1.0,
    repeats: int = 2,
    pad: str = "error",
    ridge: float = 1e-2,
    quantile: float = 0.98,
    precision: str = "double",
    device: str = "auto",
) -> dict[str, Any]:
    """How far each row lies outside the span of normal rows, in the space of embedded states.

    Args:
        normal: rows that are believed to be normal.
        rows: to be judged.
        embedding, axis, scale, repeats, pad: of standardised features, as in `kernel_matrix`.
        ridge: noise that normal rows may have.
        quantile: share of the normal rows, each judged without itself, below the threshold.
        precision, device: as in `kernel_matrix`.

    Returns:
        `{scores, flagged, threshold}`; a score is between 0 and 1.

    Raises:
        BlocksError: MAML412, MAML413, MAML505.
    """
    from chimera_pipelines.learning.anomaly import fit
    from chimera_pipelines.learning.bad_data import FEATURES, table
    from chimera_pipelines.quantum.embedding import Embedding

    known = table(normal, "normal rows", code=FEATURES)
    judged = table(rows, "rows", width=known.shape[1], code=FEATURES)
    model = fit(
        known,
        embedding=Embedding.of(embedding, axis=axis, scale=scale, repeats=repeats, pad=pad),
        ridge=ridge,
        quantile=quantile,
        device=device,
        precision=precision,
    )
    found = model.score(judged)
    return {
        "scores": list(found.scores),
        "flagged": list(found.flagged),
        "threshold": model.threshold,
    }


@plain_refusals
def auc(scores: Sequence[float], anomalous: Sequence[bool]) -> float:
    """How well scores rank: the chance that an anomalous row scores above a normal one.

    Args:
        scores: of rows, as `anomaly` gives.
        anomalous: whether each row is.

    Returns:
        From 0 to 1, ties counting half; 0.5 is no better than chance.

    Raises:
        BlocksError: MAML505 for lists that do not match, or one class alone.
    """
    from chimera_pipelines.learning.anomaly import auc as ranking
    from chimera_pipelines.learning.bad_data import flags, vector

    values = vector(scores, "scores")
    return ranking(values, flags(anomalous, "anomalous", size=len(values)))


@plain_refusals
def syndrome_classifier(
    detectors: Rows,
    observables: Rows,
    judged: Rows,
    *,
    hidden: int = 128,
    depth: int = 2,
    epochs: int = 20,
    batch: int = 256,
    rate: float = 2e-3,
    seed: int = 0,
    precision: str = "float32",
    device: str = "auto",
) -> dict[str, Any]:
    """Train a network on syndromes and have it judge others.

    Args:
        detectors: a row of 0 and 1 a shot.
        observables: what flipped, a row of 0 and 1 a shot.
        judged: detectors of the shots to be judged.
        hidden, depth: of the network.
        epochs, batch, rate, seed: of the training.
        precision: "float32"; "float16" or "bfloat16" on CUDA.
        device: "cpu", "cuda", or "auto".

    Returns:
        `{flips, losses}`: a row of 0 and 1 for each judged shot, the mean loss of each epoch.

    Raises:
        BlocksError: MAML505 for rows that are not of 0 and 1 or not equally many; MAML413, MAML905
            for a precision.
    """
    from chimera_pipelines.digest import MAX_INTEGER
    from chimera_pipelines.learning.bad_data import bits, positive, whole
    from chimera_pipelines.learning.syndrome import Training, train

    known = bits(detectors, "detectors")
    targets = bits(observables, "observables")
    asked = bits(judged, "judged", width=known.shape[1])
    training = Training(
        hidden=whole(hidden, "hidden", low=1, high=65_536),
        depth=whole(depth, "depth", low=0, high=100),
        epochs=whole(epochs, "epochs", low=0, high=1_000_000),
        batch=whole(batch, "batch", low=1, high=1 << 30),
        rate=positive(rate, "rate"),
        seed=whole(seed, "seed", low=0, high=MAX_INTEGER),
        precision=precision,
    )
    kept = partial(Kept, steps=training.epochs)
    trained = train(known, targets, training, device=device, keeping=kept)
    return {"flips": trained.flips(asked).int().tolist(), "losses": list(trained.losses)}
