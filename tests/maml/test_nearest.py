from __future__ import annotations

from chimera_pipelines.maml.nearest import did_you_mean


def test_nearest():
    assert did_you_mean("shotz", ["seed", "shots"]) == "did you mean 'shots'?"
    assert did_you_mean("x", ["shots"]) is None
    assert did_you_mean("x", ["shots"], "otherwise") == "otherwise"


def test_among_very_many_none_is_looked_for():
    names = [f"kernel_{n}" for n in range(1000)]
    assert did_you_mean("kernel_", names) is None
