"""Error correction as a document's block calls it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from chimera_pipelines import blocks
from chimera_pipelines.blocks.faults import BlocksError
from chimera_pipelines.blocks.qec import logical_threshold, surface_code_memory
from chimera_pipelines.digest import canonical
from chimera_pipelines.qec.curves import is_memory

STRANGE: tuple[Any, ...] = (
    "3", b"x", True, math.nan, math.inf, -1, 10**400, -(10**400), [], 1j, [[]], object(),
)  # fmt: skip


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
    with pytest.raises(BlocksError, match=r"^CHIM790: .*2\.0.*  \[.*\]$"):
        surface_code_memory(physical=2.0)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"noise": []}, "CHIM791"),
        ({"noise": None}, "CHIM790"),
        ({"noise": {}}, "CHIM790"),
        ({"decoder": []}, "CHIM791"),
        ({"decoder": 3}, "CHIM793"),
        ({"options": 3}, "CHIM793"),
        ({"options": [1]}, "CHIM793"),
        ({"options": {1: 2}}, "CHIM793"),
        ({"seed": "3"}, "CHIM791"),
        ({"seed": None}, "CHIM791"),
        ({"seed": float("nan")}, "CHIM791"),
    ],
)
def test_arguments_of_other_kinds_are_refused(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(BlocksError, match=f"^{code}: "):
        surface_code_memory(**{"physical": 0.01, "distances": 3, "shots": 10} | wrong)


@pytest.mark.parametrize("wrong", STRANGE)
@pytest.mark.parametrize(
    "name",
    ["physical", "distances", "noise", "basis", "decoder", "options", "shots", "max_errors"],
)
def test_every_argument_of_a_strange_kind_is_refused_by_code(name: str, wrong: Any) -> None:
    with pytest.raises(BlocksError, match=r"^CHIM79[0-3]: .*  \[.*\]$"):
        surface_code_memory(**{"physical": 0.01, "distances": 3, "shots": 10} | {name: wrong})


@pytest.mark.parametrize(
    "rows",
    [
        None,
        3,
        "ab",
        {},
        [1],
        [{}],
        [{"distance": 3, "physical": 0.1, "logical": None}],
        [{"distance": 3, "physical": "0.1", "logical": 0.1}],
        [{"distance": 3, "physical": 0.1, "logical": float("nan")}],
        [{"distance": 3, "physical": 1.5, "logical": 0.1}],
        [{"distance": -3, "physical": 0.1, "logical": 0.1}],
        [{"distance": 3, "physical": 0.1, "logical": 10**400}],
        [{"distance": 3, "physical": 0.1, "logical": 0.1, "noise": []}],
        [{"distance": 3, "physical": 0.1, "logical": 0.1, "decoder": 3}],
        [{"distance": True, "physical": 0.1, "logical": 0.1}],
        [
            {"distance": 3, "physical": 0.1, "logical": 0.1, "noise": noise}
            for noise in ("uniform", "sd6")
        ],
    ],
)
def test_a_threshold_of_what_is_no_rows_is_refused(rows: Any) -> None:
    with pytest.raises(BlocksError, match=r"^CHIM791: "):
        logical_threshold(rows)
