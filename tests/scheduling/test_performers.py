"""Agents import performers by these names."""

from __future__ import annotations

import importlib

import pytest

from chimera_pipelines.scheduling.performers import KERNEL, PERFORMERS


def test_the_kernels_performer_is_among_them() -> None:
    assert KERNEL in PERFORMERS


@pytest.mark.parametrize("target", PERFORMERS.values())
def test_each_names_a_class_that_takes_a_head(target: str) -> None:
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, type)
