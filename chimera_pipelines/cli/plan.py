"""`chimera plan`: what would run, where, how much memory, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import options, values
from chimera_pipelines.cli.terminal import Terminal, clean, opened

if TYPE_CHECKING:
    from chimera_pipelines.lifecycle.spec import KernelSpec
    from chimera_pipelines.scheduling.decision import Decision
    from chimera_pipelines.scheduling.plan import Plan

EXAMPLE = options.example("chimera plan data/documents/h2_vqe.maml.md --partition 0.735 --explain")


def plan(
    *,
    file: options.File,
    partition: options.Partition = None,
    given: options.Inputs = None,
    inputs_file: options.InputsFile = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each kernel runs.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Say what a run would do, where and why.

    Compiles the document and runs nothing.
    """
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.scheduling.plan import load_plan

        compiled = load_plan(file)
        inputs = values.run_inputs(given, inputs_file)
        decisions = decide(compiled, partition, inputs)
        if terminal.json:
            terminal.emit(as_report(compiled, decisions))
        else:
            _write(terminal, compiled, decisions, explain=explain)


def decide(compiled: Plan, partition: str | None, inputs: dict[str, Any]) -> dict[str, Decision]:
    """What would happen to each kernel.

    Without a partition nothing is known of a partitioned document's inputs: all its kernels run.
    """
    from chimera_pipelines.lifecycle.services import Services
    from chimera_pipelines.scheduling.decision import Decision, decide
    from chimera_pipelines.scheduling.opening import open_run
    from chimera_pipelines.settings import settings

    if compiled.document.partitioned and partition is None:
        reason = "depends on the partition, see --partition"
        return {k.name: Decision(k.name, "run", reason, None) for k in compiled.kernels}
    with Services(settings()) as services:
        run = open_run(compiled, services, run_id="plan", partition=partition, inputs=inputs)
        try:
            return {one.kernel: one for one in decide(compiled, run)}
        finally:
            run.close()


def as_report(compiled: Plan, decisions: dict[str, Decision]) -> dict[str, Any]:
    """The object `chimera.plan/1`."""
    document = compiled.document
    return {
        "schema": "chimera.plan/1",
        "digest": compiled.digest,
        "document": {
            "path": document.path,
            "id": document.id,
            "digest": document.digest,
            "title": document.title,
        },
        "job": compiled.job_name,
        "partitions": compiled.partitions,
        "schedule": compiled.schedule,
        "trigger": compiled.trigger,
        "levels": [list(level) for level in compiled.levels],
        "kernels": [
            {
                "name": kernel.name,
                "level": kernel.level,
                "block": kernel.block.name,
                "language": kernel.block.language,
                "line": kernel.line,
                "needs": list(kernel.producers),
                "heads": list(kernel.heads),
                **({"feedback_heads": [*kernel.feedback_heads]} if kernel.learns else {}),
                "bytes": kernel.bytes,
                "engine": engine(kernel),
                "input_digest": decisions[kernel.name].input_digest,
                "decision": decisions[kernel.name].decision,
                "reason": decisions[kernel.name].reason,
            }
            for kernel in compiled.kernels
        ],
    }


def engine(kernel: KernelSpec) -> str | None:
    """Which engine would run a kernel's circuits, and why; None for one without circuits."""
    from chimera_pipelines.quantum.engines.foresight import foresee
    from chimera_pipelines.quantum.planner import installed

    if kernel.block.language not in {"qiskit", "qasm"}:
        return None
    backend = kernel.options.get("backend", {})
    return foresee(backend, kernel.qubits, installed(), wider=kernel.is_wider)


def _memory(kernel: KernelSpec) -> str:
    if kernel.bytes == 0:
        return "-"
    return ("over " if kernel.is_wider else "") + values.size(kernel.bytes)


def _write(
    terminal: Terminal, compiled: Plan, decisions: dict[str, Decision], *, explain: bool
) -> None:
    document = compiled.document
    terminal.say(terminal.paint("bold", clean(document.title or Path(document.path).name)))
    terminal.say(f"plan {compiled.digest}, job {compiled.job_name}")
    if compiled.partitions is not None:
        terminal.say(f"partitions {values.compact(compiled.partitions)}")
    rows = [
        (
            str(kernel.level),
            kernel.name,
            kernel.block.language,
            " ".join(kernel.heads[:1]),
            _memory(kernel),
            decisions[kernel.name].decision,
            decisions[kernel.name].reason if explain else "",
            (engine(kernel) or "-") if explain else "",
        )
        for kernel in compiled.kernels
    ]
    heads = ("level", "kernel", "language", "head", "memory", "decision", "why", "engine")
    heads = heads if explain else (*heads[:-2], "", "")
    for line in values.table(heads, rows):
        terminal.say(line)
    for kernel in compiled.kernels:
        if explain and kernel.learns and kernel.feedback is not None:
            terminal.say(
                f"feedback block '{kernel.feedback.name}' of '{kernel.name}' imports torch: it "
                f"runs on {' or '.join(kernel.feedback_heads)}, registers stay on the kernel's head"
            )
