from __future__ import annotations

import pytest

from chimera_pipelines.scheduling.router import candidates, spread


@pytest.mark.parametrize(
    ("tags", "language", "heads"),
    [
        ((), "python", ("HEAD_3", "HEAD_4")),
        ((), "sql", ("HEAD_3", "HEAD_4")),
        (("qiskit",), "qiskit", ("HEAD_1", "HEAD_2")),
        ((), "qasm", ("HEAD_1", "HEAD_2")),
        (("pytorch", "cuda"), "python", ("HEAD_3", "HEAD_4")),
        (("qec",), "python", ("HEAD_3", "HEAD_4")),
        (("HEAD_2",), "python", ("HEAD_2",)),
        (("HEAD_4", "HEAD_1"), "python", ("HEAD_1", "HEAD_4")),
        (("HEAD_3",), "qiskit", ()),
        (("pytorch", "HEAD_1"), "python", ()),
        (("qiskit", "pytorch"), "python", ()),
    ],
)
def test_all_tags_hold(tags: tuple[str, ...], language: str, heads: tuple[str, ...]) -> None:
    assert candidates(tags, language) == heads


def test_kernels_of_one_level_start_on_different_heads() -> None:
    ai = ("HEAD_3", "HEAD_4")
    found = spread({"a": ai, "b": ai, "c": ai, "d": ai}, {"a": 0, "b": 0, "c": 0, "d": 1})
    assert [heads[0] for heads in found.values()] == ["HEAD_3", "HEAD_4", "HEAD_3", "HEAD_3"]
    assert all(sorted(heads) == list(ai) for heads in found.values())


def test_a_kernel_without_a_head_stays_without() -> None:
    assert spread({"a": ()}, {"a": 0}) == {"a": ()}
