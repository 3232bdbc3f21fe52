"""Tasks and records as they pass the wire."""

from __future__ import annotations

import json

import pytest

from chimera_pipelines.lifecycle.records import Invocation, Measured, Outcome
from chimera_pipelines.phase import Phase
from chimera_pipelines.scheduling.kernel_task import KernelTask, RunTask, read_record

RUN = RunTask(
    "sha256:0", "/plans", "/doc.maml.md", "01K", "a", {"x": [1.5]}, force=True, tier="landlock"
)


@pytest.mark.parametrize("phase", [None, Phase.MEASURE])
def test_a_task_is_what_it_was_behind_the_wire(phase: Phase | None) -> None:
    task = KernelTask(RUN, "vqe", 2, phase, {"record": "Embedded"}, {"up": {"y": 1}}, again=True)
    assert KernelTask.from_json(json.loads(json.dumps(task.to_json()))) == task


def test_a_task_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not a chimera\.kernel_task/1: 'chimera\.x/2'"):
        KernelTask.from_json({**KernelTask(RUN, "vqe").to_json(), "schema": "chimera.x/2"})


def test_a_record_is_read_by_its_name() -> None:
    invocation = Invocation(
        "vqe", 1, "HEAD_1", "cpu", 1, "landlock", {"x": 1}, "sha256:1", 7, None, seconds={"a": 0.5}
    )
    record = Measured(invocation, {"output": {"y": 0.1 + 0.2}})
    assert read_record(json.loads(json.dumps(record.to_json()))) == record
    with pytest.raises(ValueError, match="not the record of a phase: 'Invocation'"):
        read_record({**record.to_json(), "record": "Invocation"})
    with pytest.raises(ValueError, match="not the record of a phase: None"):
        read_record({})
    with pytest.raises(TypeError):
        read_record({"schema": Outcome.schema})
