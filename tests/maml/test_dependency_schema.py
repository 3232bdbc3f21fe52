from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from chimera_pipelines.maml.dependency_schema import faults


def kernels(**options):
    return {"kernels": {"k": options}}


@pytest.mark.parametrize(
    ("value", "path", "at_key"),
    [
        (None, (), False),
        ([], (), False),
        ({}, (), False),
        ({"kernels": {}}, ("kernels",), False),
        ({"kernels": None}, ("kernels",), False),
        ({"kernels": {"k": 5}}, ("kernels", "k"), False),
        ({"kernels": {"K": None}}, ("kernels", "K"), True),
        ({"kernels": {"a" * 49: None}}, ("kernels", "a" * 49), True),
        ({"kernels": {"k\n": None}}, ("kernels", "k\n"), True),
        ({"kernels": {"k": None}, "x": 1}, ("x",), True),
        ({"kernels": {"k": None}, "defaults": {"needs": []}}, ("defaults", "needs"), True),
        ({"kernels": {"k": None}, "partitions": {}}, ("partitions",), False),
        ({"kernels": {"k": None}, "partitions": 1}, ("partitions",), False),
        (
            {"kernels": {"k": None}, "partitions": {"daily": "2026-1-1"}},
            ("partitions", "daily"),
            False,
        ),
        (
            {"kernels": {"k": None}, "partitions": {"static": ["a", "b..c"]}},
            ("partitions", "static", 1),
            False,
        ),
        (
            {"kernels": {"k": None}, "partitions": {"static": ["a"], "timezone": "UTC"}},
            ("partitions", "timezone"),
            True,
        ),
        ({"kernels": {"k": None}, "schedule": {}}, ("schedule",), False),
        ({"kernels": {"k": None}, "trigger": {"document": "x"}}, ("trigger", "document"), False),
        (kernels(shotz=5), ("kernels", "k", "shotz"), True),
        (kernels(shots=0), ("kernels", "k", "shots"), False),
        (kernels(shots="all"), ("kernels", "k", "shots"), False),
        (kernels(shots={"error": 0.1}), ("kernels", "k", "shots"), False),
        (kernels(shots={"error": 0, "max": 9}), ("kernels", "k", "shots", "error"), False),
        (kernels(shots={"error": 0.1, "max": 0}), ("kernels", "k", "shots", "max"), False),
        (kernels(shots={"error": 0.1, "max": 9, "x": 1}), ("kernels", "k", "shots", "x"), True),
        (kernels(shots=10_000_001), ("kernels", "k", "shots"), False),
        (kernels(seed=-1), ("kernels", "k", "seed"), False),
        (kernels(needs=["a", "B"]), ("kernels", "k", "needs", 1), False),
        (kernels(needs=["a", "b", "a"]), ("kernels", "k", "needs", 2), False),
        (kernels(needs="a"), ("kernels", "k", "needs"), False),
        (kernels(head=["gpu"]), ("kernels", "k", "head", 0), False),
        (kernels(inputs={"a-b": 1}), ("kernels", "k", "inputs", "a-b"), True),
        (kernels(embedding={"method": "angle"}), ("kernels", "k", "embedding"), False),
        (
            kernels(embedding={"method": "angle", "features": "x", "scale": "2"}),
            ("kernels", "k", "embedding", "scale"),
            False,
        ),
        (kernels(backend={"method": "gpu"}), ("kernels", "k", "backend", "method"), False),
        (kernels(retries=6), ("kernels", "k", "retries"), False),
        (kernels(critical="yes"), ("kernels", "k", "critical"), False),
        (
            kernels(feedback={"block": "b", "carry": []}),
            ("kernels", "k", "feedback", "carry"),
            False,
        ),
    ],
)
def test_one_fault_at_its_place(value, path, at_key):
    assert [(fault.path, fault.at_key) for fault in faults(value)] == [(path, at_key)]


def test_all_faults_are_named():
    found = faults(kernels(embedding={}, shotz=1, head=["x", "y"]))
    assert len(found) == 5
    assert len({(f.path, f.message) for f in found}) == 5


def test_hints():
    assert faults(kernels(shotz=5))[0].hint == "did you mean 'shots'?"
    assert "daily" in faults({"kernels": {"k": None}, "partitions": {}})[0].message


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "shots": st.integers(-1, 3)
        | st.sampled_from(["exact", None, 5.0, {"error": 0.1, "max": 9}, {"error": 0}, {}]),
        "needs": st.lists(st.sampled_from(["a", "b", "B"]), max_size=3),
        "inputs": st.dictionaries(st.sampled_from(["a", "b_", "c"]), st.none(), max_size=2),
        "partitions": st.none(),
        "timeout": st.sampled_from([0, 1, "1"]),
        "head": st.lists(st.sampled_from(["qiskit", "HEAD_1", "x"]), max_size=2),
    },
)


@given(
    st.fixed_dictionaries(
        {"kernels": st.dictionaries(st.sampled_from(["a", "b", "C"]), OPTIONS | st.none())},
        optional={"defaults": OPTIONS, "schedule": st.sampled_from([{}, {"cron": "x"}, 1])},
    )
)
def test_faults_are_there_where_the_shipped_schema_refuses(value):
    folder = files("chimera_pipelines.maml") / "schemas"
    text = (folder / "maml-dependencies.kernels-1.schema.json").read_text(encoding="utf-8")
    shipped = Draft202012Validator(json.loads(text))
    assert bool(faults(value)) != shipped.is_valid(value)
