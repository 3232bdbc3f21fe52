from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from chimera_pipelines.errors import KernelError
from chimera_pipelines.learning import bad_data


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "not a list of rows, or empty"),
        ("rows", "not a list of rows"),
        ([[]], "the rows are empty"),
        ([[1.0, 2.0], [3.0]], "row 1 has 1 numbers, row 0 has 2"),
        ([[1.0], 2.0], "row 1 is 2.0, not a list"),
        ([[1.0, math.nan]], "row 0, column 1 is nan, not a finite number"),
        ([[1.0], [math.inf]], "row 1, column 0 is inf"),
        ([[10**400]], "row 0, column 0 is an integer of 1329 bits"),
        ([["a"]], "row 0, column 0 is 'a', not a finite number"),
        ([[True]], "row 0, column 0 is True, not a finite number"),
        ([[1 + 2j]], "not a finite number"),
    ],
)
def test_a_table_says_which_row_and_column_is_wrong(rows, says):
    with pytest.raises(KernelError, match="rows: ") as caught:
        bad_data.table(rows, "rows", code="MAML412")
    assert says in caught.value.message
    assert caught.value.code == "MAML412"


@pytest.mark.parametrize("make", [list, np.array, lambda x: torch.tensor(x, dtype=torch.float64)])
def test_lists_arrays_and_tensors_are_tables(make):
    found = bad_data.table(make([[1.0, 2.0], [3.0, 4.0]]), "rows", width=2)
    assert found.dtype == torch.float64
    assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_table_of_another_width_is_refused():
    with pytest.raises(KernelError, match="rows of 2 numbers, 3 are asked for"):
        bad_data.table([[1.0, 2.0]], "rows", width=3)


def test_bits_are_zero_or_one():
    assert bad_data.bits([[0, 1]], "bits").tolist() == [[0.0, 1.0]]
    with pytest.raises(KernelError, match=r"row 1, column 0 is 0\.5, neither 0 nor 1"):
        bad_data.bits([[0, 1], [0.5, 1]], "bits")


@pytest.mark.parametrize("value", [0, 11, 1.0, True, "3", None])
def test_whole_numbers_have_bounds(value):
    with pytest.raises(KernelError, match="from 1 to 10"):
        bad_data.whole(value, "layers", low=1, high=10)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, "1"])
def test_positive_numbers_are_above_zero(value):
    with pytest.raises(KernelError, match="rate"):
        bad_data.positive(value, "rate")


def test_vectors_have_a_size():
    assert bad_data.vector([1, 2.5], "x").tolist() == [1.0, 2.5]
    for wrong in ([1.0], [math.nan, 1.0], [], "ab"):
        with pytest.raises(KernelError):
            bad_data.vector(wrong, "x", size=2)
