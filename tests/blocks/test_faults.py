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
