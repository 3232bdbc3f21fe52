"""Blocks are looked up when they are named: importing them costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chimera_pipelines import blocks


def test_every_name_is_found() -> None:
    for name in dir(blocks):
        assert callable(getattr(blocks, name))


def test_another_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(AttributeError, match=r"no function 'teleport'; it has .*surface_code"):
        _ = blocks.teleport


def test_importing_blocks_imports_nothing_heavy() -> None:
    code = (
        "import sys; from chimera_pipelines import blocks; "
        "print(sorted({'numpy', 'stim', 'torch', 'qiskit', 'dagster'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
