"""Feedback blocks that learn run in a session that an AI head lends; here without processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.lifecycle import learning_calls, phases
from chimera_pipelines.lifecycle.lending import Lent, Wish
from chimera_pipelines.lifecycle.records import Outcome
from chimera_pipelines.lifecycle.run import Run
from chimera_pipelines.lifecycle.run_id import new_run_id
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.sandbox.outcomes import Returned
from chimera_pipelines.scheduling.opening import open_run
from chimera_pipelines.scheduling.plan import Plan

Compiler = Callable[..., Plan]

LOOP = """## Dependencies
```yaml
kernels:
  k:
    inputs: {x: [0.2]}
    embedding: {method: angle, features: x, axis: ry}
    shots: 50
    feedback: {block: step, carry: [x], max_iterations: 3}
```
## Code_Blocks
```qiskit {#k}
from qiskit import QuantumCircuit
def circuit():
    return QuantumCircuit(1)
def observable():
    return {"Z": 1.0}
def post(expectation, x, iteration):
    return {"z": expectation}
```
```python {#step}
IMPORT
def run(z, x, iteration):
    BODY
```
"""
BODY = 'return {"x": [x[0] + 0.3 * math.sin(x[0]) + 0.01 * z], "done": False}'
TORCH = BODY.replace("math.sin(x[0])", "float(torch.sin(torch.tensor(x, dtype=torch.float64))[0])")


def loop(imported: str = "import torch", body: str = TORCH) -> str:
    return LOOP.replace("IMPORT", imported).replace("BODY", body)


class Talkative:
    """An AI head's session that answers as the test says."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.closed = self.aborted = False
        self.given: list[Any] = []

    def load(self, *_: Any, **__: Any) -> Returned:
        return Returned(None)

    def call(self, block: str, function: str, arguments: Any, **more: Any) -> Any:
        self.given.append(arguments)
        answer = self.answers.pop(0) if self.answers else Returned({"x": [0.1], "done": False})
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True


class Lending:
    """A lender whose sessions are the test's."""

    def __init__(self, *sessions: Any) -> None:
        self.sessions = list(sessions)
        self.wishes: list[Wish] = []

    def lend(self, wish: Wish) -> Lent | None:
        self.wishes.append(wish)
        found = self.sessions.pop(0)
        if isinstance(found, BaseException):
            raise found
        head = f"HEAD_{3 + len(self.wishes) % 2}"
        return None if found is None else Lent(found, head, len(self.wishes))


def dead() -> HeadUnavailableError:
    return HeadUnavailableError("CHIM714", "HEAD_3 does not answer: it hung up")


@pytest.fixture
def begun(compiled: Compiler, services: Services) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(body: str, lender: Any = None) -> Run:
        if lender is not None:
            services.lender = lender
        run = open_run(compiled(body), services, run_id=new_run_id(), force=True)
        run.begin()
        runs.append(run)
        return run

    yield begin
    for run in runs:
        run.close()


def outcome(run: Run) -> Outcome:
    return phases.run_kernel(run, run.kernels["k"], {})


def test_a_block_that_imports_torch_runs_on_an_ai_head(begun: Callable[..., Run]) -> None:
    plain = outcome(begun(loop("import math", BODY)))
    assert plain.feedback_heads == ()
    assert all("feedback_head" not in one for one in plain.passes)
    run = begun(loop())
    opened: list[str] = []
    lend = run.services.lender.lend

    def watched(wish: Wish) -> Lent | None:
        opened.append(wish.kernel.name)
        assert "torch" in wish.spec.preload
        assert "qiskit" not in wish.spec.preload
        return lend(wish)

    run.services.lender.lend = watched  # type: ignore[method-assign]
    found = outcome(run)
    assert opened == ["k"], "one session serves all passes"
    assert found.feedback_heads == ("HEAD_3",)
    assert [one["feedback_head"] for one in found.passes] == ["HEAD_3"] * 3
    assert {one["head"] for one in found.passes} == {"HEAD_1"} == {found.head}
    assert found.output == pytest.approx(plain.output)
    assert "torch" not in run.session_spec(run.kernels["k"]).preload
    assert run.services.journal(run.document).summary()["tickets"] == 1, "the quantum head's"


def test_the_grant_names_the_heads_that_may_learn(begun: Callable[..., Run]) -> None:
    run = begun(loop(), Lending(Talkative()))
    granted = Path(run.document.path).read_text("utf-8").rsplit("[GRANT]", 1)[1]
    assert all(head in granted for head in ("HEAD_1", "HEAD_3", "HEAD_4"))


def test_a_head_that_dies_in_a_call_costs_that_call(begun: Callable[..., Run]) -> None:
    first, second = Talkative(Returned({"x": [0.4], "done": False}), dead()), Talkative()
    lending = Lending(first, second)
    found = outcome(begun(loop(), lending))
    assert [one["feedback_head"] for one in found.passes] == ["HEAD_4", "HEAD_3", "HEAD_3"]
    assert first.given[1] == second.given[0], "the same call again"
    assert first.closed
    assert second.closed
    assert [wish.avoid for wish in lending.wishes] == [(), ("HEAD_4",)]


def test_heads_that_always_die_end_the_attempt(begun: Callable[..., Run]) -> None:
    lending = Lending(*(Talkative(dead()) for _ in range(9)))
    with pytest.raises(KernelError, match="MAML903 5 AI heads died") as caught:
        outcome(begun(loop(), lending))
    assert len(lending.wishes) == learning_calls.MOST_LOSSES + 1
    assert caught.value.hint


def test_no_head_in_time_is_the_timeout(
    begun: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(loop(), Lending(*(dead() for _ in range(5))))
    left = iter([5.0, 5.0, 5.0, 0.0])
    kernel = run.kernels["k"]
    with pytest.raises(KernelError, match="MAML902"):
        learning_calls.call(run, kernel, {}, (), lambda: next(left))


def test_other_errors_are_not_tried_again(begun: Callable[..., Run]) -> None:
    refusal = HeadUnavailableError("CHIM731", "no head may run it")
    lending = Lending(refusal)
    with pytest.raises(HeadUnavailableError, match="CHIM731"):
        outcome(begun(loop(), lending))
    assert len(lending.wishes) == 1


def test_without_an_ai_head_the_block_runs_beside_its_kernel(begun: Callable[..., Run]) -> None:
    found = outcome(begun(loop(), Lending(None)))
    assert found.feedback_heads == ("HEAD_1",)


def test_a_run_that_stops_ends_what_was_lent(begun: Callable[..., Run]) -> None:
    session = Talkative()
    run = begun(loop(), Lending(session))
    learning_calls.call(run, run.kernels["k"], {}, (), lambda: 5.0)
    run.stop("enough")
    assert session.aborted
    late = Talkative()
    run.borrowed.hold("k", Lent(late, "HEAD_3", 1))
    assert late.aborted, "one that is lent after the stop ends too"
