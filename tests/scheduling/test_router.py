from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.errors import ExitCode
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.router import (
    PATIENCE,
    PATIENCE_POOR,
    PATIENCE_POOR_S,
    Job,
    NoHeadError,
    Router,
    candidates,
    spread,
)

HEADS = ("HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4")
QUANTUM, AI = HEADS[:2], HEADS[2:]


def job(key: str = "a", heads: tuple[str, ...] = QUANTUM, **changes) -> Job:
    return replace(Job(key, key, heads), **changes)


def bad(head: str) -> Reputation:
    return Reputation(head, 1.0, 20.0, streak=9)


def good(head: str, **changes) -> Reputation:
    return replace(Reputation(head, 40.0, 1.0), **changes)


def router(*reputations: Reputation, seed: int = 0) -> Router:
    return Router(
        {head: Reputation(head) for head in HEADS} | {r.head: r for r in reputations}, seed
    )


@pytest.mark.parametrize(
    ("tags", "language", "heads"),
    [
        ((), "python", ("HEAD_3", "HEAD_4")),
        ((), "sql", ("HEAD_3", "HEAD_4")),
        (("qiskit",), "qiskit", ("HEAD_1", "HEAD_2")),
        ((), "qasm", ("HEAD_1", "HEAD_2")),
        (("pytorch", "cuda"), "python", ("HEAD_3", "HEAD_4")),
        (("qec",), "python", ("HEAD_3", "HEAD_4")),
        (("HEAD_2",), "python", ("HEAD_2",)),
        (("HEAD_4", "HEAD_1"), "python", ("HEAD_1", "HEAD_4")),
        (("HEAD_3",), "qiskit", ()),
        (("pytorch", "HEAD_1"), "python", ()),
        (("qiskit", "pytorch"), "python", ()),
    ],
)
def test_all_tags_hold(tags: tuple[str, ...], language: str, heads: tuple[str, ...]) -> None:
    assert candidates(tags, language) == heads


def test_kernels_of_one_level_start_on_different_heads() -> None:
    ai = ("HEAD_3", "HEAD_4")
    found = spread({"a": ai, "b": ai, "c": ai, "d": ai}, {"a": 0, "b": 0, "c": 0, "d": 1})
    assert [heads[0] for heads in found.values()] == ["HEAD_3", "HEAD_4", "HEAD_3", "HEAD_3"]
    assert all(sorted(heads) == list(ai) for heads in found.values())


def test_a_kernel_without_a_head_stays_without() -> None:
    assert spread({"a": ()}, {"a": 0}) == {"a": ()}


def test_a_job_goes_to_a_free_head_that_may_run_it() -> None:
    assert router().choose([job(heads=AI)], HEADS[:3]) == (job(heads=AI), "HEAD_3")
    assert router().choose([job(heads=AI)], QUANTUM) is None
    assert router().choose([], HEADS) is None
    assert router().choose([job()], []) is None


def test_interrupted_jobs_go_first_then_those_whose_registers_are_here_then_the_oldest() -> None:
    jobs = [
        job("young", since=3.0),
        job("old", since=1.0),
        job("held", since=4.0, holder="HEAD_1"),
        job("cut", since=5.0, first=True),
    ]
    chosen, made = [], router()
    while jobs:
        found = made.choose(jobs, ["HEAD_1"])
        assert found is not None
        jobs.remove(found[0])
        chosen.append(found[0].key)
    assert chosen == ["cut", "held", "old", "young"]


@pytest.mark.parametrize("holder", QUANTUM)
def test_registers_keep_a_job_at_its_head_however_bad_that_is(holder: str) -> None:
    made = router(bad(holder))
    assert made.choose([job(holder=holder)], QUANTUM) == (job(holder=holder), holder)


def test_a_job_does_not_wait_for_the_head_that_has_its_registers() -> None:
    found = router().choose([job(holder="HEAD_1")], ["HEAD_2"], busy=["HEAD_1"])
    assert found == (job(holder="HEAD_1"), "HEAD_2")


def test_the_better_head_gets_nearly_all_and_the_unknown_is_tried() -> None:
    made = router(good("HEAD_1"), bad("HEAD_2"))
    assert given_out(made, 200) == {"HEAD_1": 200}
    # Beta(4, 1) draws above Beta(40, 1) with chance 1/11: never in 200 draws has p < 1e-8.
    shares = given_out(router(good("HEAD_1")), 200)
    assert shares["HEAD_1"] > shares["HEAD_2"] > 0


def given_out(made: Router, count: int, **changes) -> Counter[str]:
    found = [made.choose([job(str(at), **changes)], QUANTUM) for at in range(count)]
    return Counter(one[1] for one in found if one is not None)


def test_speed_at_that_work_uptime_and_errors_count() -> None:
    fast, slow = good("HEAD_1", seconds={"w": 1.0}), good("HEAD_2", seconds={"w": 2.0})
    assert given_out(router(fast, slow), 100, work="w")["HEAD_1"] > 95
    assert given_out(router(good("HEAD_1"), good("HEAD_2", uptime=0.5)), 100)["HEAD_1"] > 95
    assert given_out(router(good("HEAD_1", error_rate=0.5), good("HEAD_2")), 100)["HEAD_2"] > 95


def test_a_running_head_is_preferred_to_one_that_would_have_to_start() -> None:
    made = router(good("HEAD_1"), good("HEAD_2"))
    assert made.choose([job()], QUANTUM, cold=["HEAD_1"]) == (job(), "HEAD_2")
    assert made.choose([job()], ["HEAD_1"], cold=["HEAD_1"]) == (job(), "HEAD_1")


def test_a_poor_head_waits_while_a_better_one_is_up() -> None:
    made = router(bad("HEAD_2"))
    assert made.choose([job()], ["HEAD_2"], busy=["HEAD_1"]) is None
    assert made.choose([job()], ["HEAD_2"]) == (job(), "HEAD_2")


def test_a_slow_head_is_used_while_the_fast_one_is_busy() -> None:
    made = router(good("HEAD_1", seconds={"w": 1.0}), good("HEAD_2", seconds={"w": 30.0}))
    found = made.choose([job(work="w")], ["HEAD_2"], busy=["HEAD_1"])
    assert found == (job(work="w"), "HEAD_2")


def test_a_job_that_waited_long_takes_a_poor_head() -> None:
    made = router(bad("HEAD_2"))
    late = PATIENCE_POOR_S + 1
    assert made.choose([job()], ["HEAD_2"], busy=["HEAD_1"], now=late) == (job(), "HEAD_2")
    waiting = [job("z", since=1.0)]
    for at in range(PATIENCE_POOR):
        assert made.choose(waiting, ["HEAD_2"], busy=["HEAD_1"]) is None
        made.choose([*waiting, job(str(at), first=True)], ["HEAD_1"])
    assert made.choose(waiting, ["HEAD_2"], busy=["HEAD_1"]) == (waiting[0], "HEAD_2")


@pytest.mark.parametrize(
    ("asked", "reputations", "head"),
    [
        ({}, [bad("HEAD_1")], "HEAD_2"),
        ({"holder": "HEAD_1"}, [bad("HEAD_1")], "HEAD_2"),
        ({"attempt": 2}, [good("HEAD_1", streak=1)], "HEAD_2"),
        ({"attempt": 1}, [good("HEAD_1", streak=1), bad("HEAD_2")], "HEAD_1"),
    ],
)
def test_critical_kernels_run_on_trusted_heads_alone(asked, reputations, head) -> None:
    asked = job(critical=True, **asked)
    assert router(*reputations).choose([asked], QUANTUM) == (asked, head)


def test_a_critical_kernel_waits_for_a_trusted_head_that_is_busy() -> None:
    made = router(bad("HEAD_2"))
    assert made.choose([job(critical=True)], ["HEAD_2"], busy=["HEAD_1"], now=1e9) is None


@pytest.mark.parametrize("attempt", [1, 2])
def test_without_a_trusted_head_a_critical_kernel_is_refused(attempt: int) -> None:
    found = (
        [bad("HEAD_1"), bad("HEAD_2")]
        if attempt == 1
        else [
            good("HEAD_1", streak=1),
            good("HEAD_2", streak=3),
        ]
    )
    asked = job("vqe", critical=True, attempt=attempt)
    with pytest.raises(NoHeadError) as raised:
        router(*found).choose([job("other"), asked], QUANTUM)
    assert raised.value.job == asked
    assert raised.value.code == "CHIM731"
    assert raised.value.exit_code is ExitCode.NO_HEAD
    for part in ("'vqe'", "HEAD_1 0.", "HEAD_2 0.", "0.5"):
        assert part in raised.value.message
    assert ("degraded" in raised.value.message) == (attempt == 2)


@pytest.mark.parametrize("heads", [(), ("HEAD_9",)])
def test_no_head_of_the_kind_is_refused_by_name(heads: tuple[str, ...]) -> None:
    asked = job("vqe", heads, tags=("qiskit", "pytorch"))
    with pytest.raises(NoHeadError) as raised:
        router().choose([asked], HEADS)
    assert (raised.value.code, raised.value.job) == ("CHIM730", asked)
    for part in ("'vqe'", "qiskit, pytorch", *HEADS, *heads):
        assert part in raised.value.message


def test_heads_that_failed_a_job_are_avoided_while_there_are_others() -> None:
    asked = job(avoid=("HEAD_1",))
    assert router().choose([asked], QUANTUM) == (asked, "HEAD_2")
    assert router().choose([asked], ["HEAD_1"]) is None
    both = job(avoid=QUANTUM)
    assert router().choose([both], ["HEAD_1"]) == (both, "HEAD_1")


def test_newer_reputations_count_at_once() -> None:
    made = router()
    made.update({"HEAD_1": bad("HEAD_1")})
    assert made.choose([job(critical=True)], QUANTUM) == (job(critical=True), "HEAD_2")


_REPUTATIONS = st.builds(
    Reputation,
    st.just(""),
    st.floats(0.5, 50),
    st.floats(0.5, 50),
    st.integers(0, 3),
    seconds=st.dictionaries(st.sampled_from("vw"), st.floats(0.01, 100)),
    uptime=st.floats(0, 1),
    error_rate=st.floats(0, 1),
)
_SOME = st.sets(st.sampled_from(HEADS))
# One step: jobs that arrive, as (heads, first, critical, holder, work), and heads that are free.
_STEPS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.sampled_from([QUANTUM, AI, HEADS, ("HEAD_1",), ("HEAD_2", "HEAD_3")]),
                st.booleans(),
                st.booleans(),
                st.sampled_from([None, *HEADS]),
                st.sampled_from(["", "v", "w"]),
            ),
            max_size=3,
        ),
        _SOME,
    ),
    max_size=120,
)


def routers(found: list[Reputation], seed: int, threshold: float) -> Router:
    named = {head: replace(one, head=head) for head, one in zip(HEADS, found, strict=True)}
    return Router(named, seed, threshold)


@given(st.lists(_REPUTATIONS, min_size=4, max_size=4), _STEPS, st.integers(0, 9))
def test_every_job_is_chosen_within_the_bound(found, steps, seed) -> None:
    made = routers(found, seed, 0.5)
    waiting: dict[str, Job] = {}
    passed: Counter[str] = Counter()
    older: dict[str, int] = {}
    at = 0
    for arriving, free in steps:
        for heads, first, critical, holder, work in arriving:
            at += 1
            new = Job(f"{at:06d}", "k", heads, critical, holder, float(at), first, work)
            if made.allowed(new):
                older[new.key] = len(waiting)
                waiting[new.key] = new
        chosen = made.choose(list(waiting.values()), sorted(free), busy=set(HEADS) - free)
        if chosen is None:
            continue
        one, head = chosen
        assert head in free
        assert head in made.allowed(one)
        del waiting[one.key]
        passed.update(key for key, other in waiting.items() if head in made.allowed(other))
        for key in waiting:
            assert passed[key] <= PATIENCE + older[key]


@given(st.lists(_REPUTATIONS, min_size=4, max_size=4), _SOME, st.integers(0, 9))
def test_no_head_idles_while_a_job_waits_that_it_may_run(found, free, seed) -> None:
    made = routers(found, seed, 0.5)
    jobs = [job(str(at), heads, work="w") for at, heads in enumerate([QUANTUM, AI, HEADS])]
    able = any(free & set(one.heads) for one in jobs)
    assert (made.choose(jobs, sorted(free)) is not None) == able


@given(st.lists(_REPUTATIONS, min_size=4, max_size=4), _STEPS, st.integers(0, 2**63))
def test_the_same_calls_under_the_same_seed_give_the_same_choices(found, steps, seed) -> None:
    def play() -> list[tuple[Job, str] | None]:
        made, waiting, answers = routers(found, seed, 0.0), [], []
        for at, (arriving, free) in enumerate(steps):
            waiting += [
                Job(f"{at}/{n}", "k", heads, critical, holder, float(at), first, work)
                for n, (heads, first, critical, holder, work) in enumerate(arriving)
            ]
            answers.append(made.choose(waiting, sorted(free)))
            waiting = [one for one in waiting if answers[-1] is None or one != answers[-1][0]]
        return answers

    assert play() == play()
