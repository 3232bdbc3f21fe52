from __future__ import annotations

import pytest

from chimera_pipelines.maml.identifiers import name_problem


@pytest.mark.parametrize("name", ["a", "vqe", "a_b", "a1_2", "x" * 48, "types", "match"])
def test_names(name):
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name",
    ["", "A", "1a", "_a", "a_", "a__b", "a-b", "é", "a\n", "x" * 49, "lambda", "None", "type",
     "config", "seed", "partition", "done"],
)  # fmt: skip
def test_not_names(name):
    assert name_problem(name)
