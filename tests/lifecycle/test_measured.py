from __future__ import annotations

from chimera_pipelines.errors import KernelError
from chimera_pipelines.ledger.readings import Stored
from chimera_pipelines.lifecycle.measured import reading
from chimera_pipelines.lifecycle.records import Invocation

INVOCATION = Invocation(
    kernel="vqe",
    attempt=2,
    head="HEAD_1",
    device="cpu",
    incarnation=1,
    tier="landlock",
    inputs={},
    input_digest="sha256:i",
    seed=1,
    partition=None,
    seconds={"embed": 0.12345678, "propagate": 2.0},
)


def test_a_failed_attempt_has_its_phase_and_code():
    found = reading(
        INVOCATION,
        kind="quantum",
        status="failed",
        work="h2#vqe",
        waited=0.25,
        checkpoint=None,
        error=KernelError("MAML903", "crashed", phase="propagate"),
    )
    assert (found.failed_phase, found.code, found.work) == ("propagate", "MAML903", "h2#vqe")
    assert found.seconds == {"embed": 0.123457, "propagate": 2.0}
    assert (found.waited, found.checkpoint) == (0.25, None)


def test_a_good_attempt_has_its_checkpoint():
    stored = {"id": "sha256:c", "bytes": 10, "shares": 4, "heads": []}
    found = reading(
        INVOCATION,
        kind="ai",
        status="ok",
        work="h2#vqe",
        waited=None,
        checkpoint=stored,
        error=None,
    )
    assert found.checkpoint == Stored("sha256:c", 10, 4)
    assert (found.failed_phase, found.code) == (None, None)
