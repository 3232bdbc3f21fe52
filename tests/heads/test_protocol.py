from __future__ import annotations

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.heads.protocol import HeadInfo, Measurements, RegisterHandle
from chimera_pipelines.quantum.measurement import Measurement


def test_handles_survive_json():
    handle = RegisterHandle("HEAD_1", "ab", 3, "propagated", 64)
    assert RegisterHandle.from_json(handle.as_json()) == handle


@pytest.mark.parametrize(
    "value", [{}, None, {"head": "HEAD_1", "process": "a", "id": 1, "stage": "x", "nbytes": 1}]
)
def test_other_shapes_are_no_handles(value):
    with pytest.raises(KernelError) as caught:
        RegisterHandle.from_json(value)
    assert caught.value.code == "CHIM703"


def test_measurements_survive_json():
    found = Measurements((Measurement(counts={"0": 1}, registers=("c",)),), True, 12)
    assert Measurements.from_json(found.as_json()) == found
    with pytest.raises(KernelError):
        Measurements.from_json({})


def test_a_description_is_json():
    info = HeadInfo("HEAD_1", "quantum", "cpu", "ready", "ab", frozenset({"b", "a"}), 5)
    assert info.as_json()["tags"] == ["a", "b"]
