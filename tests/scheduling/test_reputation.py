from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.digest import canonical
from chimera_pipelines.ledger.evidence import DEATH, REGENERATION, HeadEvent, Observation
from chimera_pipelines.ledger.ledger import Ledger, TicketRow
from chimera_pipelines.ledger.readings import Reading
from chimera_pipelines.scheduling.reputation import (
    HALF_LIFE,
    HALF_LIFE_S,
    PRIOR,
    SUMMARY_EVERY,
    WINDOW,
    WORKS,
    Reputation,
    Standing,
    fold,
    reputations,
    standing_of,
    weigh,
)
from chimera_pipelines.timestamps import NS, instant, timestamp

START = instant("2026-08-01T09:00:00Z") or 0
# No past outweighs this: the sum of halves.
LIMIT = 1 / (1 - 0.5 ** (1 / HALF_LIFE))


def seen(at: int = 1, status: str = "ok", *, after_s: float = 0.0, **changes) -> Observation:
    stamp = timestamp(START + int(after_s * NS))
    values = {"source": "ticket", "reference": f"leaf {at}", "status": status, "timestamp": stamp}
    return Observation(at, "HEAD_1", **{**values, **changes})


def ok(count: int, **changes) -> list[Observation]:
    return [seen(at, **changes) for at in range(1, count + 1)]


def failed(code: str | None = "CHIM715") -> Observation:
    return seen(status="failed", code=code)


def died(reason: str = "exit", **changes) -> Observation:
    return seen(source="event", status=reason, **changes)


def at(found: Sequence[Observation], after_s: float = 0.0) -> Reputation:
    return fold(Standing(), found).at("HEAD_1", START + int(after_s * NS))


def test_a_new_head_has_the_prior() -> None:
    found = at([])
    assert (found.alpha, found.beta) == PRIOR
    assert found.mean == 0.8
    assert not found.degraded


@pytest.mark.parametrize(
    ("observation", "good", "bad"),
    [
        (seen(), 1.0, 0.0),
        (seen(status="unverified"), 1.0, 0.0),
        (failed("CHIM715"), 0.0, 1.0),
        (failed("CHIM509"), 0.0, 1.0),
        (failed("MAML902"), 0.0, 0.5),
        (failed("MAML903"), 0.0, 0.5),
        (failed(None), 0.0, 0.5),
        (failed("MAML901"), 0.0, 0.0),
        (failed("MAML505"), 0.0, 0.0),
        (died("exit"), 0.0, 1.0),
        (died("SettingsError: the signature provider made a bad signature"), 0.0, 2.0),
        (died("fault: CHIM713 the frame's MAC is wrong"), 0.0, 2.0),
    ],
)
def test_what_is_the_heads_fault(observation: Observation, good: float, bad: float) -> None:
    found = weigh(observation)
    assert (found.good, found.bad) == (good, bad)


def test_a_document_that_fails_leaves_the_reputation_of_its_head_alone() -> None:
    before = at(ok(5))
    after = at([*ok(5), *[failed("MAML901")] * 50])
    assert (after.alpha, after.beta, after.streak) == (before.alpha, before.beta, 0)


def test_four_deaths_without_a_good_kernel_take_a_new_head_below_one_half() -> None:
    assert at([died()] * 3).mean > 0.5
    assert at([died()] * 4).mean <= 0.5
    assert at([died()] * 3).degraded
    assert not at([died(), seen()]).degraded


def test_evidence_halves_after_so_many_more() -> None:
    one = fold(Standing(), [died()])
    later = fold(one, ok(int(HALF_LIFE)))
    assert later.bad == pytest.approx(one.bad / 2)


def test_evidence_halves_in_a_day_and_the_prior_comes_back() -> None:
    found = at([died()] * 20)
    later = at([died()] * 20, HALF_LIFE_S)
    assert later.beta - PRIOR[1] == pytest.approx((found.beta - PRIOR[1]) / 2)
    assert at([died()] * 20, 60 * HALF_LIFE_S).mean == pytest.approx(0.8)


def test_a_ticket_that_took_far_longer_than_usual_counts_half_against_its_head() -> None:
    usual = [seen(n, work="w", seconds=1.0 + 0.05 * (n % 3)) for n in range(1, 9)]
    calm = fold(Standing(), usual)
    for seconds, good in ((1.2, 1.0), (1.4, 1.0), (10.0, 0.5)):
        after = fold(calm, [seen(9, work="w", seconds=seconds)])
        assert after.good - calm.good * 0.5 ** (1 / HALF_LIFE) == pytest.approx(good)
    assert fold(calm, [seen(9, work="other", seconds=10.0)]).bad == 0.0
    assert fold(calm, [seen(9)]).bad == 0.0


def test_what_is_slow_for_long_becomes_usual() -> None:
    found = fold(Standing(), [seen(n, work="w", seconds=1.0) for n in range(1, 20)])
    found = fold(found, [seen(n, work="w", seconds=9.0) for n in range(20, 20 + WINDOW)])
    assert fold(found, [seen(99, work="w", seconds=9.0)]).bad < found.bad
    assert found.at("HEAD_1", START).seconds["w"] == pytest.approx(9.0, rel=1e-4)


def test_a_standing_stays_small() -> None:
    found = fold(
        Standing(), [seen(n, work=f"kind {n // 100}", seconds=0.5 + n) for n in range(1, 6_001)]
    )
    assert len(found.works) == WORKS
    assert "kind 60" in found.works
    assert max(len(window) for window in found.works.values()) == WINDOW
    assert len(canonical(found.to_json())) < 16_384


_OBSERVATIONS = st.lists(
    st.builds(
        lambda status, code, source, after, work, seconds: seen(
            status=status, code=code, source=source, after_s=after, work=work, seconds=seconds
        ),
        st.sampled_from(["ok", "failed", "unverified", "fault: CHIM713 a MAC"]),
        st.sampled_from([None, "MAML901", "MAML903", "CHIM715"]),
        st.sampled_from(["ticket", "event"]),
        st.floats(0, 1e6),
        st.sampled_from([None, "v", "w"]),
        st.sampled_from([None, 0.0]) | st.floats(1e-6, 1e4),
    ),
    max_size=120,
)


@given(_OBSERVATIONS, _OBSERVATIONS)
def test_a_sum_written_down_anywhere_is_the_same_sum(first, second) -> None:
    whole = fold(Standing(), [*first, *second])
    half = fold(Standing(), first)
    text = canonical(half.to_json())
    assert fold(Standing.from_json(half.upto, json.loads(text)), second) == whole


@given(_OBSERVATIONS)
def test_no_past_is_so_good_or_bad_that_it_hides_the_present(found) -> None:
    standing = fold(Standing(), found)
    assert 0.0 <= standing.good <= LIMIT + 1e-9
    assert 0.0 <= standing.bad <= 2 * LIMIT + 1e-9
    now = standing.at("HEAD_1", standing.time_ns)
    assert 0.0 < now.mean < 1.0
    better = fold(standing, [seen(status="ok", after_s=1e6)]).at("HEAD_1", START)
    worse = fold(standing, [died(after_s=1e6)]).at("HEAD_1", START)
    assert better.mean > worse.mean
    assert worse.degraded
    assert not better.degraded


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=9))
def test_fading_with_time_does_not_depend_on_who_came_first(times: list[float]) -> None:
    # Documents' errors do not count: what is left is the fading of one death with time.
    late = [
        died(after_s=times[0]),
        *[seen(status="failed", code="MAML901", after_s=t) for t in times],
    ]
    early = [*late[1:], late[0]]
    one, other = (fold(Standing(), found) for found in (late, early))
    assert one.bad == pytest.approx(other.bad)


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield made
    made.close()


def ticket(leaf: str, head: str = "HEAD_1", status: str = "ok", **changes) -> TicketRow:
    return TicketRow(
        leaf,
        "urn:uuid:x",
        "bell",
        1,
        "TICKET",
        "2026-08-01T09:00:00Z",
        "sha256:d",
        "key",
        "sha256:s",
        status=status,
        head=head,
        **changes,
    )


def test_reputation_comes_from_the_tickets_and_deaths_of_the_ledger(ledger: Ledger) -> None:
    ledger.record([ticket("a"), ticket("b", status="reused"), ticket("c", status="failed")])
    ledger.record_head_event(HeadEvent("HEAD_2", 2, "agent", REGENERATION, {"old": 1}))
    found = reputations(ledger, START)
    assert list(found) == ["HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4"]
    assert found["HEAD_1"].observations == 2
    assert found["HEAD_1"].streak == 1
    assert found["HEAD_2"].beta == pytest.approx(PRIOR[1] + 1)
    assert found["HEAD_3"] == Reputation("HEAD_3")


def test_a_death_and_the_regeneration_after_it_are_one_fact(ledger: Ledger) -> None:
    for incarnation in (1, 2):
        dead = {"reason": "exit"}
        ledger.record_head_event(HeadEvent("HEAD_1", incarnation, "agent", DEATH, dead))
        back = {"reason": "exit", "old": incarnation}
        ledger.record_head_event(HeadEvent("HEAD_1", incarnation + 1, "agent", REGENERATION, back))
    ledger.record_head_event(
        HeadEvent("HEAD_1", 4, "agent", REGENERATION, {"reason": "restart", "old": 3})
    )
    assert [one.reference for one in ledger.observations("HEAD_1")] == ["agent/1", "agent/2"]


def test_readings_give_work_seconds_and_the_error(ledger: Ledger) -> None:
    times = {"embed": 0.25, "propagate": 0.5}
    reading = Reading("a", "quantum", "failed", times, "propagate", work="w", code="MAML901")
    ledger.record([ticket("a", status="failed", head_kind="quantum")], None, [reading])
    (found,) = ledger.observations("HEAD_1")
    assert (found.work, found.seconds, found.code) == ("w", 0.75, "MAML901")


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 3 * SUMMARY_EVERY))
def test_reading_costs_the_same_after_a_long_history(tmp_path_factory, count: int) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path_factory.mktemp('r') / 'ledger.sqlite'}")
    ledger.record([ticket(str(n), status="ok" if n % 3 else "failed") for n in range(count)])
    first = standing_of(ledger, "HEAD_1")
    row = ledger.standing("HEAD_1")
    assert (row is None) == (count < SUMMARY_EVERY)
    assert len(ledger.observations("HEAD_1", 0 if row is None else row.upto)) < SUMMARY_EVERY
    links = ledger.verify_chain()
    assert standing_of(ledger, "HEAD_1") == first
    assert ledger.verify_chain() == links
    assert first == fold(Standing(), ledger.observations("HEAD_1"))
    ledger.close()


def test_a_standing_of_another_version_is_not_taken_over() -> None:
    assert Standing.from_json(9, {"version": 99}) == Standing()
    assert not math.isnan(Standing().at("x", 0).mean)
