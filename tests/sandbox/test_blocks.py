"""What a block may import of this package, in every tier that works here."""

from __future__ import annotations

import pytest

from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.outcomes import Raised, Returned
from chimera_pipelines.sandbox.session import Session
from chimera_pipelines.sandbox.tiers import Tier

LEARNS = """
from chimera_pipelines import blocks


def run(rows):
    found = blocks.vqe({"ZZ": -1.0, "XI": -0.5, "IX": -0.5}, iterations=3, layers=1)
    return {"energy": found["energy"], "gram": blocks.kernel_matrix(rows)}
"""


def test_a_block_learns_in_every_tier(any_tier: Tier, limits: Limits) -> None:
    with Session(any_tier, limits, preload=("torch",)) as session:
        assert session.load("a", LEARNS) == Returned(None)
        found = session.call("a", "run", {"rows": [[0.1, 0.2], [0.1, 0.2]]})
        assert isinstance(found, Returned)
        assert found.value["gram"] == [[1.0, pytest.approx(1.0)], [pytest.approx(1.0), 1.0]]
        refused = session.call("a", "run", {"rows": [[0.1, 0.2], [0.1]]})
        assert isinstance(refused, Raised)
        assert refused.kind == "BlocksError"
        assert refused.message.startswith("MAML412: rows: row 1 has 1 numbers")
        assert refused.line == 7


@pytest.mark.parametrize(
    "statement",
    [
        "import chimera_pipelines",
        "import chimera_pipelines.blocks",
        "import chimera_pipelines.sandbox.frames as f",
        "from chimera_pipelines import settings",
        "from chimera_pipelines import blocks, digest",
        "from chimera_pipelines.blocks import vqe",
    ],
)
def test_nothing_else_of_this_package_is_importable(
    cheap_tier: Tier, limits: Limits, statement: str
) -> None:
    with Session(cheap_tier, limits) as session:
        outcome = session.load("a", statement)
    assert isinstance(outcome, Raised)
    assert outcome.kind == "ImportError"
    assert "MAML317" in outcome.message
    assert outcome.line == 1
