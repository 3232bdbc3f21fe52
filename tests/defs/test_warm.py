"""Names that an agent imports by: one that is wrong would keep every head from starting."""

import importlib
import importlib.util

import pytest

from chimera_pipelines.defs.warm import PERFORMERS, PRELOAD

HEAVY = {"torch", "qiskit", "qiskit_aer", "matplotlib", "duckdb"}


@pytest.mark.parametrize("name", sorted(PERFORMERS))
def test_a_performer_can_be_made_of_its_name(name):
    module, _, made = PERFORMERS[name].partition(":")
    assert callable(getattr(importlib.import_module(module), made))


@pytest.mark.parametrize("name", PRELOAD)
def test_a_module_to_import_is_there(name):
    assert importlib.util.find_spec(name) is not None


def test_each_module_is_named_once_and_none_of_them_is_heavy():
    assert len(set(PRELOAD)) == len(PRELOAD)
    assert not HEAVY & {name.partition(".")[0] for name in PRELOAD}
