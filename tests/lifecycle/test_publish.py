"""What a kernel reads of another document: only what the project's own document published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chimera_pipelines.digest import canonical
from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.ledger.ledger import TicketRow
from chimera_pipelines.lifecycle import phases, publish
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

BODY = """## Code_Blocks
```python {#k}
def run():
    return {"n": 1}
```
"""


def published(services: Services, document_id: str, seq: int, n: int) -> None:
    content = services.store.put(canonical({"n": n}), media="application/json")
    signed = TicketRow(
        leaf=f"sha256:{seq}",
        document_id=document_id,
        slug="doc",
        seq=seq,
        action="TICKET",
        timestamp="2026-08-01T09:00:00Z",
        doc="sha256:d",
        key="ML-DSA-65:k",
        signature_digest="sha256:s",
        kernel="k",
        status="ok",
        output_digest=content,
    )
    services.ledger.record([signed])


def test_only_the_projects_document_of_a_name_is_read(
    compiled: Callable[..., Plan], services: Services, home: Path
) -> None:
    plan = compiled(BODY)
    published(services, plan.document.id, 1, 1)
    published(services, "urn:uuid:11111111-1111-4111-8111-111111111111", 2, 2)
    run = open_run(plan, services, run_id=new_run_id())
    try:
        found = publish.sources(run, {}).published
        assert found("doc", "k") == {"n": 1}
        with pytest.raises(KernelError, match="published no output of 'other'"):
            found("doc", "other")
        (home / "documents/doc.maml.md").unlink()
        with pytest.raises(KernelError, match="there is no document 'doc'") as raised:
            found("doc", "k")
    finally:
        run.close()
    assert raised.value.code == "MAML505"
    assert raised.value.hint


TWICE = """## Dependencies
```yaml
kernels:
  k: {}
```
## Code_Blocks
```python {#k}
import time
def run():
    return {"n": time.perf_counter()}
```
"""


def begun(plan: Plan, services: Services, run_id: str, *, again: bool) -> Run:
    run = open_run(plan, services, run_id=run_id, force=True)
    run.begin()
    if again:
        run.again.add("k")
    return run


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("noted", [True, False])
def test_what_a_head_signed_before_it_died_is_adopted(
    compiled: Callable[..., Plan], services: Services, *, again: bool, noted: bool
) -> None:
    plan, run_id = compiled(TWICE), new_run_id()
    first = begun(plan, services, run_id, again=False)
    told = phases.run_kernel(first, first.kernels["k"], {})
    if not noted:
        services.progress.end(run_id)
    second = begun(plan, services, run_id, again=again)
    found = phases.run_kernel(second, second.kernels["k"], {})
    assert (found.output, found.output_digest) == (told.output, told.output_digest)
    assert found.ticket == told.ticket
    assert found.status == "ok"
    assert found.checkpoint == told.checkpoint
    assert services.journal(plan.document).summary()["tickets"] == 1
    for run in (first, second):
        run.close()


def test_a_fenced_process_signs_nothing(compiled: Callable[..., Plan], services: Services) -> None:
    plan, run_id = compiled(TWICE), new_run_id()
    head = services.heads["HEAD_3"]

    class Replaced:
        id, incarnation = "HEAD_3", 4

        def __init__(self) -> None:
            self.head = head

        def fenced(self) -> bool:
            return True

    begun(plan, services, run_id, again=False).close()
    with Services(services.settings, here=Replaced()) as there:
        run = begun(plan, there, run_id, again=False)
        with pytest.raises(HeadUnavailableError, match="incarnation 4 of HEAD_3 was replaced"):
            phases.run_kernel(run, run.kernels["k"], {})
        run.close()
    assert services.journal(plan.document).summary()["tickets"] == 0
