"""`chimera run`: a document's plan without Dagster, or through it with `--dagster`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import options, values
from chimera_pipelines.cli.key_notice import key_notice
from chimera_pipelines.cli.sweep_table import sweep_table
from chimera_pipelines.cli.terminal import Terminal, clean, opened
from chimera_pipelines.errors import (
    ChimeraError,
    ExitCode,
    HeadUnavailableError,
    HistoryError,
    RefusedError,
    SandboxUnavailableError,
    UsageError,
)
from chimera_pipelines.scheduling.performers import PERFORMERS

if TYPE_CHECKING:
    from chimera_pipelines.heads.attach import AgentHandle
    from chimera_pipelines.runner import RunReport
    from chimera_pipelines.scheduling.mailbox import Mailbox
    from chimera_pipelines.scheduling.placing import Heads
    from chimera_pipelines.scheduling.plan import Plan

EXAMPLE = options.example(
    "chimera run data/documents/h2_vqe.maml.md --partition 0.735",
    "chimera run sweep.maml.md --input theta=0.5 --input label=first --json",
)

_REFUSALS = (RefusedError, HeadUnavailableError, SandboxUnavailableError, HistoryError)


def run(
    *,
    file: options.File,
    partition: options.Partition = None,
    all_partitions: Annotated[
        bool, typer.Option("--all-partitions", help="One run for each static partition.")
    ] = False,
    given: options.Inputs = None,
    inputs_file: options.InputsFile = None,
    force: Annotated[bool, typer.Option("--force", help="Reuse no earlier output.")] = False,
    dagster: Annotated[
        bool, typer.Option("--dagster", help="Run on this project's Dagster instance.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Run a document, with a ticket for each kernel.

    Each kernel goes through its five phases in a sandbox and leaves a signed ticket in the
    document's History. A kernel whose inputs, code and options did not change is reused.
    """
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.sandbox import tiers
        from chimera_pipelines.settings import settings

        if all_partitions and partition is not None:
            raise UsageError("CHIM201", "--partition and --all-partitions exclude each other")
        with _agent(needed=not dagster) as agent:
            if not dagster:
                tiers.expect(settings().sandbox)
            from chimera_pipelines.scheduling.plan import load_plan

            plan = load_plan(file, settings().root / "plans")
            inputs = values.run_inputs(given, inputs_file)
            keys = _partitions(plan, partition, every=all_partitions)
            with key_notice(terminal, file, settings()):
                if dagster:
                    reports = _in_dagster(terminal, plan, keys, inputs, force=force)
                else:
                    reports = _here(terminal, plan, keys, inputs, agent, force=force)
        if terminal.json:
            terminal.emit(as_report(reports, many=all_partitions))
        elif all_partitions:
            for line in sweep_table(plan, [report for report, _ in reports]):
                terminal.say(line)
        raise typer.Exit(max(int(code) for _, code in reports))


def as_report(reports: Sequence[tuple[dict[str, Any], int]], *, many: bool) -> dict[str, Any]:
    """One run's `chimera.run/1`, or with `--all-partitions` `chimera.runs/1` with all of them."""
    if not many:
        return reports[0][0]
    failed = any(code for _, code in reports)
    worst = next((one["status"] for one, _ in reports if one["status"] != "ok"), None)
    worst = worst or ("failed" if failed else "ok")
    return {"schema": "chimera.runs/1", "status": worst, "runs": [one for one, _ in reports]}


def _partitions(plan: Plan, partition: str | None, *, every: bool) -> tuple[str | None, ...]:
    if not every:
        return (partition,)
    from chimera_pipelines.scheduling.opening import partition_keys

    return partition_keys(plan)


@contextmanager
def _agent(*, needed: bool) -> Iterator[AgentHandle | None]:
    """The warm agent, or one of our own: it starts while the document is compiled."""
    from chimera_pipelines.settings import settings

    if not needed or settings().heads == "in_process":
        yield None
        return
    # What we need ourselves is imported first: our own agent is a fork that has it too. Engines
    # are not: a head imports its own while its first sandbox starts.
    import chimera_pipelines.runner
    import chimera_pipelines.scheduling.plan  # noqa: F401
    from chimera_pipelines.heads.attach import attach_or_start

    with attach_or_start(settings(), performers=PERFORMERS, preload=(), forking=True) as agent:
        yield agent


def _here(
    terminal: Terminal,
    plan: Plan,
    keys: Sequence[str | None],
    inputs: dict[str, Any],
    agent: AgentHandle | None,
    *,
    force: bool,
) -> list[tuple[dict[str, Any], int]]:
    from chimera_pipelines.cli.interrupts import caught
    from chimera_pipelines.cli.live import watching
    from chimera_pipelines.lifecycle.services import Services
    from chimera_pipelines.runner import run_plan
    from chimera_pipelines.settings import settings

    heads = None if agent is None else partial(_follow, agent)
    reports: list[tuple[dict[str, Any], int]] = []
    with Services(settings()) as services, caught() as interrupts:
        for key in keys:
            if interrupts.requested and reports:
                reports[-1] = (reports[-1][0], int(ExitCode.INTERRUPTED))
                break
            try:
                with watching(terminal, plan, key) as watch:
                    report = run_plan(
                        plan,
                        services,
                        partition=key,
                        inputs=inputs,
                        force=force,
                        watch=watch,
                        opened=interrupts.watch_over,
                        heads=heads,
                    )
            except _REFUSALS as error:
                terminal.fail(error)
                reports.append((_refused(plan, key, error), int(error.exit_code)))
                continue
            reports.append((_shown(terminal, report, many=len(keys) > 1), int(report.exit_code)))
    return reports


def _follow(agent: AgentHandle, mailbox: Mailbox) -> Heads:
    from chimera_pipelines.heads.fleet import Fleet

    return Fleet(agent, events=mailbox)


def _shown(terminal: Terminal, report: RunReport, *, many: bool) -> dict[str, Any]:
    for kernel in report.kernels:
        if kernel.error is not None:
            terminal.fail(kernel.error)
    shown = report.as_json()
    if not many:
        _write(terminal, shown)
    return shown


def _in_dagster(
    terminal: Terminal,
    plan: Plan,
    keys: Sequence[str | None],
    inputs: dict[str, Any],
    *,
    force: bool,
) -> list[tuple[dict[str, Any], int]]:
    from chimera_pipelines.defs.launch import run_document

    reports: list[tuple[dict[str, Any], int]] = []
    for key in keys:
        try:
            report = run_document(plan, partition=key, inputs=inputs, force=force)
        except _REFUSALS as error:
            terminal.fail(error)
            reports.append((_refused(plan, key, error), int(error.exit_code)))
            continue
        code = ExitCode.OK if report["status"] == "ok" else ExitCode.KERNEL_FAILED
        if len(keys) == 1:
            _write(terminal, report)
        terminal.note(f"dagster run {report['dagster_run_id']}, see it with 'chimera dev'")
        reports.append((report, int(code)))
    return reports


def _refused(plan: Plan, partition: str | None, error: ChimeraError) -> dict[str, Any]:
    document = plan.document
    return {
        "schema": "chimera.run/1",
        "run_id": None,
        "status": "refused",
        "seconds": 0.0,
        "partition": partition,
        "document": {"path": document.path, "id": document.id, "digest": document.digest},
        "plan": plan.digest,
        "kernels": [],
        "outputs": {},
        "history": None,
        "error": error.as_json(),
    }


def _write(terminal: Terminal, report: dict[str, Any]) -> None:
    """A `chimera.run/1` as text."""
    if terminal.json:
        return
    rows = [
        (
            one["name"],
            one["status"],
            one.get("head") or "-",
            f"{sum(phase['seconds'] for phase in one['phases']):.3f}",
            str(one["ticket"]["seq"]) if one.get("ticket") else "-",
            values.short(one.get("output_digest")),
        )
        for one in report["kernels"]
    ]
    for line in values.table(("kernel", "status", "head", "seconds", "ticket", "output"), rows):
        terminal.say(line)
    for name, output in report["outputs"].items():
        text = json.dumps(output, ensure_ascii=False, indent=2)
        terminal.say(f"{terminal.paint('bold', name)} = {clean(text)}")
    history = report["history"]
    terminal.say(
        f"run {report['run_id']}: {report['status']} in {report['seconds']:.2f} s; "
        f"{history['tickets']} tickets in {clean(str(history['path']))}"
    )
