from __future__ import annotations

from dataclasses import replace

import pytest

from chimera_pipelines.lifecycle.records import (
    Deserialized,
    Embedded,
    Invocation,
    Measured,
    Outcome,
    Propagated,
)

INVOCATION = Invocation(
    kernel="k",
    attempt=1,
    head="HEAD_3",
    device="cpu",
    incarnation=1,
    tier="landlock",
    inputs={"x": [1, {"y": 2.5}]},
    input_digest="sha256:00",
    seed=7,
    partition=None,
)


@pytest.mark.parametrize("kind", [Deserialized, Embedded, Propagated, Measured])
def test_phase_records_are_json_and_come_back(kind: type[Deserialized]) -> None:
    record = kind(INVOCATION.after("embed", 0.5), {"arguments": {"x": 1}})
    assert kind.from_json(record.to_json()) == record


def test_a_record_of_another_phase_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not a chimera\.phase/1 Embedded"):
        Embedded.from_json(Deserialized(INVOCATION, {}).to_json())


def test_digest_covers_what_was_computed_and_not_how_long_it_took() -> None:
    first = Embedded(INVOCATION, {"arguments": {"x": 1}})
    assert Embedded(INVOCATION.after("embed", 3.0), first.payload).digest == first.digest
    assert Embedded(INVOCATION, {"arguments": {"x": 2}}).digest != first.digest
    assert Propagated(INVOCATION, first.payload).digest != first.digest


def test_time_spent_adds_up_over_phases() -> None:
    later = INVOCATION.after("deserialize", 0.25).after("embed", 0.5).after("embed", 0.25)
    assert later.seconds == {"deserialize": 0.25, "embed": 0.75}
    assert later.spent_s == 1.0


def test_outcome_is_json_and_comes_back() -> None:
    outcome = Outcome(
        kernel="k",
        status="ok",
        attempts=1,
        head="HEAD_3",
        device="cpu",
        incarnation=1,
        tier="landlock",
        input_digest="sha256:00",
        output_digest="sha256:01",
        output={"x": 1},
        cuda_ns=None,
        seconds={"embed": 0.1},
        series={"x": [1.0, 2.0]},
        ticket={"seq": 2},
        checkpoint=None,
        drawing={},
    )
    assert Outcome.from_json(outcome.to_json()) == outcome
    assert Outcome.from_json(replace(outcome, status="reused").to_json()) != outcome
    with pytest.raises(ValueError, match=r"not a chimera\.outcome/1"):
        Outcome.from_json({"schema": "chimera.phase/1"})
