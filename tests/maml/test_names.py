from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml.names import job_name, slug

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "digests.json").read_bytes())


@pytest.mark.parametrize("case", VECTORS["job"], ids=lambda case: case["file"])
def test_job_names(case):
    assert job_name(case["file"], case["id"]) == case["job"]


@given(st.text(max_size=80))
def test_a_slug_is_a_name_that_dagster_takes(stem):
    found = slug(stem.replace("/", "") + ".maml.md")
    assert 0 < len(found) <= 48
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert "__" not in found
    assert not found.endswith("_")


def test_a_cut_slug_does_not_end_in_an_underscore():
    assert slug("a" * 47 + " b.maml.md") == "a" * 47
