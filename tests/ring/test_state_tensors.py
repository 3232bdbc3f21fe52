from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.ring.state import StateStore
from chimera_pipelines.ring.state_records import StateKey
from chimera_pipelines.ring.state_tensors import TensorStates
from tests.ring.keys import Hand, Keys

KEY = StateKey("run", "train", name="model")


@pytest.fixture
def states(tmp_path: Path) -> StateStore:
    hand = Hand()
    return StateStore(tmp_path, keys=Keys(), signers=lambda _: hand, verifier=hand)


def model(step: int) -> bytes:
    """Three layers of 1.5 MiB, of which the second changes in each step, and small biases."""
    layers = {f"w{n}": np.full((384, 1024), n, dtype=np.float32) for n in range(3)}
    layers["w1"] += 10 * step
    biases = {f"b{n}": np.zeros(10, dtype=np.float32) for n in range(3)}
    return save({**layers, **biases}, metadata={"step": str(step)})


def test_only_tensors_that_changed_are_written(states: StateStore) -> None:
    models = TensorStates(states)
    first = models.save(KEY, model(0), head="HEAD_1", document="d")
    assert first.rewritten > 4 << 20
    for step in range(1, 5):
        saved = models.save(KEY, model(step), head="HEAD_1", document="d")
        assert 3 << 19 <= saved.rewritten < 4 << 20
        found = models.load(KEY)
        assert found == model(step)
        assert float(load(bytes(found))["w1"][0, 0]) == 10 * step + 1
        assert len(states.states("run")) <= 8
    again = models.save(KEY, model(4), head="HEAD_1", document="d")
    assert again.rewritten < 1024
    assert again.id == saved.id
    assert models.load(again) == model(4)
    states.release("run")
    assert states.states() == []


def test_a_model_without_tensors_can_be_saved(states: StateStore) -> None:
    models = TensorStates(states)
    models.save(KEY, save({}), head="HEAD_1", document="d")
    assert models.load(KEY) == save({})


def test_what_is_no_model_is_refused(states: StateStore) -> None:
    models = TensorStates(states)
    for data in (b"", b"12345678", model(0)[:-1], model(0) + b"x", b"\2\0\0\0\0\0\0\0[]"):
        with pytest.raises(CheckpointError, match="safetensors file"):
            models.save(KEY, data, head="HEAD_1", document="d")
    states.save(KEY, b"{}", head="HEAD_1", document="d")
    with pytest.raises(CheckpointError, match="not a model's index"):
        models.load(KEY)
