"""What a head's next process brings back from the ring, and learns from its last tickets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.local import LocalHead
from chimera_pipelines.heads.performer import HeadContext, Predecessor
from chimera_pipelines.heads.timeline import Stage, Stopwatch, Timeline
from chimera_pipelines.ledger.counts import Counting
from chimera_pipelines.ledger.ledger import Ledger, RunRow
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.quantum.record import circuits_from_json
from chimera_pipelines.quantum.write import encode_circuits
from chimera_pipelines.ring.state_records import StateKey
from chimera_pipelines.runner import run_plan
from chimera_pipelines.scheduling.plan import Plan
from chimera_pipelines.scheduling.regeneration import Regeneration, before_fork, event_of
from chimera_pipelines.settings import Settings, settings
from chimera_pipelines.timestamps import timestamp
from tests.quantum.circuits import ghz

RUN, OVER = "01K1Z6S8Q4T9X2R7B3M5N6P8VA", "01K1Z6S8Q4T9X2R7B3M5N6P8VB"
DIED = Predecessor(1, "killed by SIGKILL", 9, 0.03, 0.002, time.monotonic())


@pytest.fixture(autouse=True)
def environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CHIMERA_HOME", str(home))
    settings.cache_clear()
    yield
    settings.cache_clear()


def here(before: Predecessor | None = DIED, head_id: str = "HEAD_1") -> HeadContext:
    kind = "quantum" if head_id in ("HEAD_1", "HEAD_2") else "ai"
    head = LocalHead(head_id, kind, "cpu", memory_bytes=1 << 26)
    return HeadContext(head_id, kind, "cpu", 2, "agent", Path("nowhere"), head, before)


def watch_of(context: HeadContext) -> Stopwatch:
    return Stopwatch(Timeline(context.id, 1, 2, "killed by SIGKILL"))


def register(qubits: int) -> bytes:
    head = LocalHead("HEAD_1", "quantum", "cpu", memory_bytes=1 << 26)
    circuits, several = circuits_from_json(encode_circuits(ghz(qubits))[0])
    return head.snapshot(head.propagate(head.embed(circuits, several), shots=10, seed=1))


def run_state(services: Services, run: str, status: str) -> None:
    services.ledger.record_run(RunRow(run, "urn:x", status, timestamp(time.time_ns())))


def test_registers_of_runs_that_go_on_come_back(services: Services) -> None:
    run_state(services, RUN, "started")
    run_state(services, OVER, "started")
    run_state(services, OVER, "failed")
    old, new, over = register(3), register(5), register(4)
    save = services.states.save
    save(StateKey(RUN, "vqe"), old, head="HEAD_1", document="doc")
    newest = save(StateKey(RUN, "vqe"), new, head="HEAD_1", document="doc")
    other = save(StateKey(RUN, "second"), register(6), head="HEAD_2", document="doc")
    ended = save(StateKey(OVER, "vqe"), over, head="HEAD_1", document="doc")

    context = here()
    watch = watch_of(context)
    Regeneration(context).regenerate(watch)

    assert (watch.timeline.states, watch.timeline.state_bytes) == (1, len(new))
    assert {Stage.GATHER, Stage.REBUILD, Stage.DECRYPT, Stage.VERIFY} <= set(watch.timeline.stages)
    handle = context.head.claim(newest.id)
    assert handle is not None
    assert context.head.snapshot(handle) == new
    assert context.head.claim(other.id) is None, "HEAD_2's"
    assert context.head.claim(ended.id) is None, "its run is over"


def test_two_lost_stores_cost_nothing_and_three_the_state(services: Services, home: Path) -> None:
    run_state(services, RUN, "started")
    services.states.save(StateKey(RUN, "vqe"), register(5), head="HEAD_1", document="doc")
    for count, stores in ((1, ("HEAD_1", "HEAD_3")), (0, ("HEAD_4",))):
        for store in stores:
            for path in (home / "ring" / store).rglob("*"):
                if path.is_file():
                    path.unlink()
        context = here()
        watch = watch_of(context)
        Regeneration(context).regenerate(watch)
        assert watch.timeline.states == count


def test_an_ai_head_has_no_registers_to_bring_back(services: Services) -> None:
    context = here(head_id="HEAD_3")
    watch = watch_of(context)
    Regeneration(context).regenerate(watch)
    assert (watch.timeline.states, watch.timeline.tickets) == (0, 0)


DOCUMENT = """
## Dependencies
```yaml
kernels:
  plain: {inputs: {n: 3}}
```

## Code_Blocks
```python {#plain}
def run(n):
    return {"n": n}
```
"""


def signed(services: Services, compiled: Callable[..., Plan]) -> tuple[Plan, str]:
    plan = compiled(DOCUMENT)
    (kernel,) = run_plan(plan, services).kernels
    assert kernel.outcome is not None
    return plan, kernel.outcome.head


def test_tickets_are_verified_and_recomputed_when_asked(
    services: Services, compiled: Callable[..., Plan]
) -> None:
    _, head = signed(services, compiled)
    for recompute in (False, True):
        context = here(replace(DIED, recompute=recompute), head)
        watch = watch_of(context)
        Regeneration(context).regenerate(watch)
        assert (watch.timeline.tickets, watch.timeline.recomputed) == (1, int(recompute))


def test_the_setting_has_kernels_run_again_too(
    services: Services, compiled: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, head = signed(services, compiled)
    monkeypatch.setenv("CHIMERA_RECOMPUTE", "true")
    settings.cache_clear()
    context = here(head_id=head)
    watch = watch_of(context)
    Regeneration(context).regenerate(watch)
    assert watch.timeline.recomputed == 1


def test_a_ticket_that_was_touched_stops_the_head(
    services: Services, compiled: Callable[..., Plan]
) -> None:
    plan, head = signed(services, compiled)
    path = Path(plan.document.path)
    text = path.read_text("utf-8")
    path.write_text(text.replace("cuda_ns=-", "cuda_ns=7"), "utf-8")
    context = here(head_id=head)
    door, watch = Regeneration(context), watch_of(context)
    with pytest.raises(HeadUnavailableError) as caught:
        door.regenerate(watch)
    door.record(watch.timeline)
    assert caught.value.code == "CHIM740"
    assert "MAML802" in caught.value.message
    counting = Counting(services.settings.ledger)
    assert counting.now().tallies == {"ticket_verifications": {("failed",): 1}}
    counting.close()


def test_timelines_are_rows_of_the_ledger(home: Path) -> None:
    home.mkdir(exist_ok=True)
    for timeline in (
        Timeline("HEAD_1", None, 1, "started"),
        Timeline("HEAD_1", 1, 2, "killed by SIGKILL", {Stage.DETECT: 0.1}),
        Timeline("HEAD_1", 2, 3, "restart: asked for", {Stage.DETECT: 0.1}),
    ):
        Regeneration(here()).record(timeline)
    ledger = Ledger(Settings(home=home).ledger)
    try:
        restart, regeneration, start = ledger.head_events("HEAD_1")
        assert [start.event, regeneration.event] == ["start", "regeneration"]
        assert regeneration.agent == "agent"
        assert Timeline.from_json(regeneration.detail).old == 1
        assert (restart.detail["reason"], restart.detail["why"]) == (
            "restart",
            "restart: asked for",
        )
        deaths = [one for one in ledger.observations("HEAD_1") if one.source == "event"]
        assert len(deaths) == 1, "to be restarted is no fault"
    finally:
        ledger.close()


def test_a_problem_is_in_the_row(home: Path) -> None:
    timeline = Timeline("HEAD_1", 1, 2, "x", problem={"code": "CHIM740", "message": "no"})
    assert event_of(timeline, "agent").detail["problem"] == {"code": "CHIM740", "message": "no"}


def test_what_is_made_ready_before_the_fork_leaves_nothing_behind(home: Path) -> None:
    before = threading.active_count()
    before_fork()
    assert threading.active_count() == before
    assert not home.exists()


def test_a_timeline_is_recorded_from_another_thread_than_it_was_measured_in(
    services: Services, home: Path
) -> None:
    context = here()
    door = Regeneration(context)
    watch = watch_of(context)
    door.regenerate(watch)
    writer = threading.Thread(target=door.record, args=(watch.timeline,))
    writer.start()
    writer.join()
    (event,) = services.ledger.head_events("HEAD_1")
    assert event.detail["new"] == 2
