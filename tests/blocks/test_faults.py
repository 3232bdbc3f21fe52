from __future__ import annotations

import pytest

from chimera_pipelines.blocks.faults import BlocksError, plain_refusals
from chimera_pipelines.errors import KernelError


def test_a_refusal_begins_with_its_code_and_ends_with_its_hint():
    @plain_refusals
    def refuse() -> None:
        raise KernelError("MAML505", "row 3 is wrong", hint="look at it")

    with pytest.raises(BlocksError) as caught:
        refuse()
    assert str(caught.value) == "MAML505: row 3 is wrong  [look at it]"
    assert caught.value.__cause__ is None


def test_arguments_that_a_function_has_not_are_refused_with_those_that_it_has():
    @plain_refusals
    def run(rows: int, *, layers: int = 2) -> int:
        return rows + layers

    assert run(1, layers=3) == 4
    for call in (lambda: run(1, layer=3), run, lambda: run(1, 2)):
        with pytest.raises(BlocksError, match=r"^MAML505: run: .*\[it takes rows, layers\]$"):
            call()
