"""What is said of a killed process, with and without the kernel's signature."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from chimera_pipelines.heads.oom import killed_by, oom_kills


def test_reads_the_kernels_count(tmp_path: Path) -> None:
    source = tmp_path / "vmstat"
    source.write_text("nr_free_pages 12\noom_kill 7\noom_killer 9\n", "ascii")
    assert oom_kills(source) == 7


@pytest.mark.parametrize("text", ["", "nr_free_pages 12\n"])
def test_a_kernel_that_does_not_count_says_nothing(tmp_path: Path, text: str) -> None:
    source = tmp_path / "vmstat"
    source.write_text(text, "ascii")
    assert oom_kills(source) == 0
    assert oom_kills(tmp_path / "absent") == 0


def test_only_sigkill_can_be_the_want_of_memory() -> None:
    assert killed_by(signal.SIGKILL, kills=0) == "killed by SIGKILL"
    assert "want of memory" in killed_by(signal.SIGKILL, kills=1)
    assert killed_by(signal.SIGSEGV, kills=1) == "killed by SIGSEGV"
