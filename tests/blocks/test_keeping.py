from __future__ import annotations

import json

import pytest
import torch

from chimera_pipelines import blocks
from chimera_pipelines.blocks.faults import BlocksError
from chimera_pipelines.blocks.keeping import Kept
from chimera_pipelines.sandbox import frames, notes

ISING = {"ZZI": -1.0, "IZZ": -1.0, "XII": -0.7, "IXI": -0.7, "IIX": -0.7}


class Call:
    """A call in a worker, whose notes are kept here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held = {}
        self.resumed = False
        monkeypatch.setattr(notes, "EVERY_S", 0.0)
        monkeypatch.setattr(notes, "_book", None)

    def begin(self) -> None:
        """As the worker does, with the notes of the call before, which crossed as JSON."""
        notes.begin(json.loads(json.dumps(self.held)), self._write, 1)

    def _write(self, data: bytes) -> None:
        message = frames.Decoder(0).feed(data)
        self.held[message.head["note"]] = message.head["value"]


@pytest.fixture
def call(monkeypatch):
    return Call(monkeypatch)


def test_a_value_is_restored_in_the_next_call(call):
    call.begin()
    assert blocks.restored("model") is None
    blocks.checkpoint("model", {"weights": [0.1, 1 / 3], "epoch": 4})
    call.begin()
    assert blocks.restored("model") == {"weights": [0.1, 1 / 3], "epoch": 4}
    assert blocks.restored("other") is None


@pytest.mark.parametrize("name", ["", "x" * 65, "é", "a\nb", 5, None])
def test_names_that_are_none(call, name):
    call.begin()
    for use in (lambda: blocks.checkpoint(name, 1), lambda: blocks.restored(name)):
        with pytest.raises(BlocksError, match="MAML505"):
            use()


def test_outside_of_a_worker_nothing_is_kept(call):
    blocks.checkpoint("model", 1)
    assert blocks.restored("model") is None
    assert call.held == {}


def test_tensors_survive_to_the_last_bit(call):
    tensors = {
        "a": torch.rand((2, 3), dtype=torch.float64),
        "b": torch.rand(5, dtype=torch.float32),
        "n": torch.tensor([1, 2**53 - 1]),
        "none": torch.zeros((0,), dtype=torch.float64),
    }
    call.begin()
    store = Kept({"kind": "x"}, steps=3)
    assert store.load() is None
    store.save(tensors)
    call.begin()
    found = Kept({"kind": "x"}, steps=3).load()
    assert all(torch.equal(found[name], part) for name, part in tensors.items())
    assert all(found[name].dtype == part.dtype for name, part in tensors.items())
    assert Kept({"kind": "x"}, steps=3).load() is None, "the second of the call, not the first"
    call.begin()
    assert Kept({"kind": "x"}, steps=4).load() is None


def _descents():
    """Two descents of one problem in one call, the second from the first's state."""
    first = blocks.vqe(ISING, iterations=6, device="cpu")
    second = blocks.vqe(ISING, iterations=15, device="cpu", resume=first["state"])
    cut = blocks.maxcut([[0, 1], [1, 2], [0, 2]], 3)
    return first, second, blocks.qaoa(cut, iterations=5, device="cpu", shots=50)


@pytest.mark.parametrize("stop", [2, 8, 18])
def test_a_call_that_is_cut_off_ends_as_one_that_was_not(call, monkeypatch, stop):
    whole = _descents()
    kept = notes.keep
    count = 0

    class CutOff(BaseException):
        """The worker's end."""

    def keep(name, value):
        nonlocal count
        kept(name, value)
        count += 1
        if count == stop and not call.resumed:
            call.resumed = True
            raise CutOff

    call.begin()
    monkeypatch.setattr(notes, "keep", keep)
    with pytest.raises(CutOff):
        _descents()
    call.begin()
    assert _descents() == whole
    assert count == 20, "steps that were taken before are not taken again"


def test_a_training_goes_on_too(call, monkeypatch):
    rows = [[int(i >> b & 1) for b in range(4)] for i in range(16)] * 8
    flips = [[sum(row) % 2] for row in rows]

    def train():
        return blocks.syndrome_classifier(rows, flips, rows, epochs=6, hidden=8, device="cpu")

    whole = train()
    seen = []
    call.begin()
    train()
    (name,) = call.held
    call.begin()
    monkeypatch.setattr(notes, "keep", lambda name, value: seen.append(name))
    assert train() == whole
    assert (name[:2], seen) == ("1 ", []), "every epoch was kept"
