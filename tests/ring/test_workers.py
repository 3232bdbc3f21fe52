from __future__ import annotations

import threading

import pytest

from chimera_pipelines.ring.workers import each


@pytest.mark.parametrize("pieces", [0, 1, 2, 1000])
@pytest.mark.parametrize("cores", [1, 3])
def test_every_piece_is_worked_once(
    pieces: int, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    lock = threading.Lock()
    done: list[int] = []

    def work(index: int) -> None:
        with lock:
            done.append(index)

    each(work, pieces)
    assert sorted(done) == list(range(pieces))


def test_an_error_ends_the_others_and_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    begun: list[int] = []

    def work(index: int) -> None:
        begun.append(index)
        if index == 3:
            raise ValueError("third")

    with pytest.raises(ValueError, match="third"):
        each(work, 100_000)
    assert len(begun) < 100_000
