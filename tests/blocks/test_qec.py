"""Error correction as a document's block calls it."""

from __future__ import annotations

import pytest

from chimera_pipelines import blocks
from chimera_pipelines.blocks.qec import logical_threshold, surface_code_memory
from chimera_pipelines.digest import canonical
from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.qec.curves import is_memory


def test_rows_of_every_model_and_decoder_ready_to_be_published() -> None:
    found = surface_code_memory(
        physical=0.01,
        distances=[3],
        noise=["uniform", "phenomenological"],
        decoder=["pymatching", "pymatching_correlated"],
        shots=500,
        seed=3,
    )
    assert is_memory(found["rows"])
    assert [(row["noise"], row["decoder"]) for row in found["rows"]] == [
        ("uniform", "pymatching"),
        ("uniform", "pymatching_correlated"),
        ("phenomenological", "pymatching"),
        ("phenomenological", "pymatching_correlated"),
    ]
    assert ["no distance suffices" in said for said in found["statements"]] == [
        True,
        True,
        False,
        False,
    ]
    assert canonical(found)


def test_the_threshold_of_rows() -> None:
    found = blocks.surface_code_memory(physical=[0.003, 0.015], distances=[3, 7], shots=20_000)
    crossed = logical_threshold(found["rows"])
    assert crossed is not None
    assert 0.005 < crossed < 0.009


def test_wrong_arguments_are_told_by_code() -> None:
    with pytest.raises(ChimeraError) as caught:
        surface_code_memory(physical=2.0)
    assert caught.value.code == "CHIM790"
