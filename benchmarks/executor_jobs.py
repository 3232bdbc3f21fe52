"""Jobs of 20 trivial steps for `benchmarks.executor`, in a module that imports torch and qiskit.

That import is the point: every process that runs a step has to have made it.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
import qiskit  # noqa: F401
import qiskit_aer  # noqa: F401
import torch  # noqa: F401

KERNELS = 4
PHASES = ("deserialize", "embed", "propagate", "measure", "feedback")
STEPS = KERNELS * len(PHASES)


def _op(name: str) -> dg.OpDefinition:
    @dg.op(name=name, ins={"x": dg.In(int, default_value=0)}, out=dg.Out(int))
    def add(x: Any) -> int:
        return int(x) + 1

    return add


OPS = [_op(name) for name in PHASES]


def _kernel(index: int, *, reads: bool) -> dg.GraphDefinition:
    def compose(**given: Any) -> Any:
        x = OPS[0](**given)
        for op in OPS[1:]:
            x = op(x)
        return x

    ins = {"x": dg.GraphIn()} if reads else {}
    return dg.graph(name=f"k{index}", ins=ins, out=dg.GraphOut())(compose)


def _side_by_side() -> None:
    for index in range(KERNELS):
        _kernel(index, reads=False)()


def _in_a_row() -> None:
    x = _kernel(0, reads=False)()
    for index in range(1, KERNELS):
        x = _kernel(index, reads=True)(x)


JOBS = {"side_by_side": _side_by_side, "in_a_row": _in_a_row}


def _executor(name: str) -> dg.ExecutorDefinition:
    if name == "in_process":
        return dg.in_process_executor
    if name == "multiprocess":
        return dg.multiprocess_executor
    if name == "forkserver":
        start = {"start_method": {"forkserver": {"preload_modules": ["benchmarks.executor_jobs"]}}}
        return dg.multiprocess_executor.configured(start, name="forkserver")
    from chimera_pipelines.defs.executor.executor import chimera_head_executor

    return chimera_head_executor.configured({"chain": name != "heads_steps"}, name="heads")


def build(job: str, executor: str) -> dg.JobDefinition:
    """The job under the executor; each step's process makes it again."""
    return dg.graph(name=job)(JOBS[job]).to_job(executor_def=_executor(executor))
