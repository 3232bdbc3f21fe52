"""Python blocks that go on where a call was cut off, and what of their notes lies on the disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chimera_pipelines.errors import KernelError
from chimera_pipelines.lifecycle import call_notes, phases
from chimera_pipelines.lifecycle.call_notes import notes_of
from chimera_pipelines.lifecycle.progress import Progress
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.sandbox.notes import MAX_BYTES, MAX_NAMES
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

Compiler = Callable[..., Plan]
BODY = """## Dependencies
```yaml
kernels:
  k: {inputs: {x: 1}, timeout: 30OPTIONS}
```
## Code_Blocks
```python {#k}
import time
from chimera_pipelines import blocks
def run(x, seed):
    found = blocks.restored("sum") or {"n": 0, "word": "geheim"}
    began = found["n"]
    while found["n"] < 3:
        found["n"] += 1
        time.sleep(0.3)
        blocks.checkpoint("sum", found)
        if found["n"] == 2 and began == 0:
            raise RuntimeError("cut off")
    return {"began": began, "n": found["n"]}
```
"""


@pytest.fixture
def opened(services: Services) -> Iterator[Callable[..., Run]]:
    """Opens runs that are closed at the end."""
    runs = list[Run]()

    def make(plan: Plan, run_id: str) -> Run:
        run = open_run(plan, services, run_id=run_id, force=True)
        run.begin()
        runs.append(run)
        return run

    yield make
    for run in runs:
        run.close()


def attempt(run: Run, number: int = 1) -> Outcome:
    return phases.run_kernel(run, run.kernels["k"], {}, attempt=number)


def test_the_next_attempt_finds_what_the_one_before_kept(
    compiled: Compiler, opened: Callable[..., Run]
) -> None:
    plan, run_id = compiled(BODY.replace("OPTIONS", "")), new_run_id()
    with pytest.raises(KernelError, match="cut off"):
        attempt(opened(plan, run_id))
    assert attempt(opened(plan, run_id), 2).output == {"began": 2, "n": 3}
    with pytest.raises(KernelError, match="cut off"):
        attempt(opened(plan, new_run_id()))


def test_notes_of_other_inputs_are_not_given(
    compiled: Compiler, opened: Callable[..., Run]
) -> None:
    plan, run_id = compiled(BODY.replace("OPTIONS", "")), new_run_id()
    with pytest.raises(KernelError, match="cut off"):
        attempt(opened(plan, run_id))
    other = compiled(BODY.replace("OPTIONS", "").replace("x: 1", "x: 2"))
    with pytest.raises(KernelError, match="cut off"):
        attempt(opened(other, run_id))


@pytest.mark.parametrize(("cipher", "open_"), [("", True), (", encryption: aes-256", False)])
def test_notes_are_sealed_where_the_kernel_wants_that(
    compiled: Compiler, opened: Callable[..., Run], services: Services, cipher: str, open_: bool
) -> None:
    run = opened(compiled(BODY.replace("OPTIONS", cipher)), new_run_id())
    with pytest.raises(KernelError, match="cut off"):
        attempt(run)
    files = [path for path in services.progress.root.rglob("*") if path.is_file()]
    assert files
    assert any(b"geheim" in path.read_bytes() for path in files) is open_


def test_what_a_stranger_sends_is_bounded(
    compiled: Compiler, opened: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(compiled(BODY.replace("OPTIONS", "")), new_run_id())
    invocation = phases.deserialize(run, run.kernels["k"], {}).invocation
    given = notes_of(run, invocation)
    given.keep("first", 1)
    given.keep("too soon", 2)
    assert notes_of(run, invocation).given == {"first": 1}
    monkeypatch.setattr(call_notes, "_LEAST_S", 0.0)
    given.keep("large", "x" * MAX_BYTES)
    for n in range(MAX_NAMES + 3):
        given.keep(f"n{n}", n)
    given.keep("first", 5)
    found = notes_of(run, invocation).given
    assert len(found) == MAX_NAMES
    assert found["first"] == 5
    assert "large" not in found


def test_a_disk_that_takes_nothing_costs_the_note_alone(
    compiled: Compiler,
    opened: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = BODY.replace("OPTIONS", "").replace("began == 0", "began == 9")
    run = opened(compiled(plain), new_run_id())
    save = Progress.save

    def full(self: Progress, key: Any, value: Any) -> None:
        if key.name == call_notes.NOTE:
            raise OSError(28, "No space left on device")
        save(self, key, value)

    monkeypatch.setattr(Progress, "save", full)
    with caplog.at_level(logging.WARNING):
        assert attempt(run).output == {"began": 0, "n": 3}
    assert "a note of 'k' cannot be written" in caplog.text
