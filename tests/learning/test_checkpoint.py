from __future__ import annotations

import pytest
import torch

from chimera_pipelines.learning.checkpoint import Checkpoint, LearningCheckpointError


def test_what_is_kept_comes_back_and_is_replaced_as_a_whole(tmp_path):
    checkpoint = Checkpoint(tmp_path / "vqe.safetensors", {"kind": "vqe", "seed": 1})
    assert checkpoint.load() is None
    for value in (1.0, 2.0):
        checkpoint.save({"x": torch.full((2, 3), value, dtype=torch.float64).T})
    found = checkpoint.load()
    assert found is not None
    assert torch.equal(found["x"], torch.full((3, 2), 2.0, dtype=torch.float64))
    assert [path.name for path in tmp_path.iterdir()] == ["vqe.safetensors"]


def test_another_problems_checkpoint_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    Checkpoint(path, {"seed": 1}).save({"x": torch.zeros(1)})
    with pytest.raises(LearningCheckpointError, match="another problem") as caught:
        Checkpoint(path, {"seed": 2}).load()
    assert caught.value.code == "CHIM780"


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_checkpoint_is_said_to_be(tmp_path, damage):
    path = tmp_path / "a.safetensors"
    Checkpoint(path, {"seed": 1}).save({"x": torch.zeros(64)})
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-9], "text": b"not a checkpoint", "empty": b""}[damage])
    with pytest.raises(LearningCheckpointError) as caught:
        Checkpoint(path, {"seed": 1}).load()
    assert caught.value.code == "CHIM781"
