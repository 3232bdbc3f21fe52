from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.scheduling.chances import Chance, _probabilities, chances
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.router import Job, Router, job_of

BODY = """## Code_Blocks
```python {#add}
def run() -> dict:
    return {"a": 1}
```
```qiskit {#bell}
from qiskit import QuantumCircuit
def circuit() -> QuantumCircuit:
    made = QuantumCircuit(1, 1)
    made.h(0)
    made.measure(0, 0)
    return made
def post(counts: dict) -> dict:
    return counts
```
## Dependencies
```yaml
kernels:
  add: {}
  bell: {}
  pinned: {block: add, head: [HEAD_2]}
  tagged: {block: add, head: [pytorch]}
  asked: {block: add, head: [qiskit]}
  grave: {block: add, critical: true}
```
## Output_Schema
```json {#grave}
{"type": "object"}
```
"""


def explained(plan, kernel: str, *reputations: Reputation) -> dict[str, Chance]:
    made = Router()
    made.update({one.head: one for one in reputations})
    found = plan.kernel(kernel)
    return {one.head: one for one in chances(made, job_of(found), found)}


@pytest.mark.parametrize(
    ("kernel", "fitting", "why"),
    [
        ("add", "34", "a python block without tags goes to ai heads"),
        ("bell", "12", "a qiskit block evolves registers, which quantum heads hold"),
        ("pinned", "2", "pinned to HEAD_2"),
        ("tagged", "34", "tag 'pytorch' means another kind than quantum"),
        ("asked", "12", "tag 'qiskit' means another kind than ai"),
    ],
)
def test_every_head_is_told_why(compiled, kernel, fitting, why) -> None:
    found = explained(compiled(BODY), kernel)
    assert list(found) == ["HEAD_1", "HEAD_2", "HEAD_3", "HEAD_4"]
    for head, one in found.items():
        fits = head[-1] in fitting
        assert one.allowed == fits
        assert one.why == ("fits" if fits else why)
        assert one.probability == pytest.approx(fits / len(fitting))
        assert one.weight == pytest.approx(0.8 * fits)


def test_a_critical_kernel_needs_trust(compiled) -> None:
    found = explained(compiled(BODY), "grave", Reputation("HEAD_3", 1.0, 9.0))
    assert found["HEAD_3"].why == "critical, and its reputation 0.10 is not above 0.5"
    assert not found["HEAD_3"].allowed
    assert found["HEAD_4"].why == "critical, and trusted"
    assert found["HEAD_4"].probability == 1.0


def test_a_poor_head_is_allowed_and_not_chosen(compiled) -> None:
    found = explained(compiled(BODY), "add", Reputation("HEAD_3", 1.0, 9.0))
    assert found["HEAD_3"].allowed
    assert found["HEAD_3"].why.startswith("poor: ")
    assert found["HEAD_3"].probability == 0.0


@pytest.mark.parametrize("seed", [1, 2])
def test_probabilities_are_those_of_the_draws(seed: int) -> None:
    found = {
        "HEAD_1": Reputation("HEAD_1", 20, 2),
        "HEAD_2": Reputation("HEAD_2", 5, 2, uptime=0.9),
        "HEAD_3": Reputation("HEAD_3", 9, 4),
    }
    router = Router(found, seed)
    expected = _probabilities({head: (one, one.uptime) for head, one in found.items()})
    assert sum(expected.values()) == pytest.approx(1.0)
    job = Job("a", "a", tuple(found))
    drawn = Counter(router._draw(job, job.heads, ()) for _ in range(4_000))
    # Five standard deviations of a share: false failure p < 4e-6 for three heads.
    for head, chance in expected.items():
        assert abs(drawn[head] / 4_000 - chance) < 5 * (0.25 / 4_000) ** 0.5


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(4, 60), st.floats(1, 60), st.floats(0, 1)), min_size=1, max_size=4)
)
def test_probabilities_are_a_distribution(heads) -> None:
    found = _probabilities(
        {str(n): (Reputation(str(n), a, b), f) for n, (a, b, f) in enumerate(heads)}
    )
    assert sum(found.values()) == pytest.approx(1.0)
    assert min(found.values()) >= 0.0


def test_the_job_of_a_kernel_names_its_code_as_its_kind_of_work(compiled) -> None:
    plan = compiled(BODY)
    jobs = {kernel.name: job_of(kernel, since=2.0) for kernel in plan.kernels}
    assert jobs["grave"].critical
    assert jobs["pinned"].heads == ("HEAD_2",)
    assert jobs["tagged"].tags == ("pytorch",)
    assert jobs["add"].work == jobs["pinned"].work != jobs["bell"].work
    assert jobs["bell"].work.startswith("qiskit:")
    assert {(one.key, one.since) for one in jobs.values()} == {(name, 2.0) for name in jobs}
