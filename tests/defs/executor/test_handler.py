"""What Dagster's loop asks, with a fleet that is none; real deaths are in `test_crew.py`."""

import threading
from types import SimpleNamespace
from unittest.mock import MagicMock

from chimera_pipelines.defs._dagster_internals import create_execution_plan
from chimera_pipelines.defs.executor import crew
from chimera_pipelines.defs.executor.dispatching import Dispatching
from chimera_pipelines.defs.executor.handler import HeadStepHandler
from chimera_pipelines.defs.executor.options import Options
from chimera_pipelines.heads.fleet import Incarnation
from chimera_pipelines.scheduling.router import Router
from chimera_pipelines.settings import HEAD_IDS
from tests.defs.executor import jobs


class DeadFleet:
    """A fleet whose one head died a moment ago: it still counts as idle."""

    def __init__(self, agent, *, events):
        self.lock = threading.RLock()
        self.asked = []

    def idle(self):
        return ["HEAD_1"]

    def entries(self):
        return {}

    def require(self, *heads):
        """Nothing comes of it."""

    def perform(self, head, work, performer, payload, *, run):
        self.asked.append(head)
        return False


def test_a_head_that_has_just_died_is_asked_once(monkeypatch):
    """Whoever asked on, with the lock held, would never be told of the death."""
    plan = create_execution_plan(jobs.build("twenty", "in_process"))
    monkeypatch.setattr(crew, "Fleet", DeadFleet)
    monkeypatch.setattr(crew, "RunLog", lambda *_: MagicMock())
    monkeypatch.setattr(crew, "serialize_value", lambda _: "")
    monkeypatch.setattr(crew, "copy_record", lambda args, **_: args)
    context = MagicMock(run_id="r", resume_from_failure=False)
    queue = Dispatching(Router(), HEAD_IDS)
    heads = crew.Crew(context, plan, None, queue, Options())
    heads.up("HEAD_1", Incarnation("agent", 1))
    heads.require(*HEAD_IDS)
    found = HeadStepHandler(heads)
    args = SimpleNamespace(step_keys_to_execute=["k0.deserialize"], run_id="r")
    for _ in range(3):
        found.launch_step(SimpleNamespace(execute_step_args=args))
    assert heads.fleet.asked == ["HEAD_1"]
    heads.up("HEAD_1", Incarnation("agent", 2))
    assert heads.fleet.asked == ["HEAD_1"] * 2
