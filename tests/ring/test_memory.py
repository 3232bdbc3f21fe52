from __future__ import annotations

import pytest

from chimera_pipelines.ring.memory import fresh


@pytest.mark.parametrize("size", [0, 1, 5 << 20])
def test_memory_can_be_written(size: int) -> None:
    memory = fresh(size)
    assert (memory.nbytes, memory.readonly, memory.format) == (size, False, "B")
    memory[:] = b"x" * size
    assert bytes(memory) == b"x" * size
