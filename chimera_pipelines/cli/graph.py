"""`chimera graph`: the kernels of a document and what they wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import options
from chimera_pipelines.cli.terminal import Terminal, opened
from chimera_pipelines.errors import UsageError

if TYPE_CHECKING:
    from chimera_pipelines.scheduling.plan import Plan

EXAMPLE = options.example(
    "chimera graph data/documents/h2_vqe.maml.md",
    "chimera graph data/documents/h2_vqe.maml.md --mermaid",
)


def graph(
    *,
    file: options.File,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="A Mermaid flowchart.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Show the kernels and what they wait for."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.scheduling.plan import load_plan

        if as_json and mermaid:
            raise UsageError("CHIM201", "--json and --mermaid exclude each other")
        plan = load_plan(file)
        if terminal.json:
            terminal.emit(as_report(plan))
        elif mermaid:
            terminal.say("\n".join(drawing(plan)))
        else:
            _write(terminal, plan)


def edges(plan: Plan) -> list[tuple[str, str, str]]:
    """`(producer, consumer, kind)`; kind is `data`, or `order` for `needs` alone."""
    return [
        (producer, kernel.name, "data" if producer in kernel.data_producers else "order")
        for kernel in plan.kernels
        for producer in kernel.producers
    ]


def as_report(plan: Plan) -> dict[str, Any]:
    """The object `chimera.graph/1`."""
    return {
        "schema": "chimera.graph/1",
        "document": {"path": plan.document.path, "id": plan.document.id},
        "levels": [list(level) for level in plan.levels],
        "kernels": [
            {"name": k.name, "level": k.level, "language": k.block.language, "line": k.line}
            for k in plan.kernels
        ],
        "edges": [{"from": a, "to": b, "kind": kind} for a, b, kind in edges(plan)],
    }


def drawing(plan: Plan) -> list[str]:
    """Lines of the Mermaid drawing of MAML.md §3: kernels by line, each with its producers."""
    lines = ["%% generated", "flowchart LR"]
    found = edges(plan)
    for kernel in sorted(plan.kernels, key=lambda k: (k.line, k.column)):
        for producer in kernel.producers:
            arrow = "-->" if producer in kernel.data_producers else "-.->"
            lines.append(f"  {producer} {arrow} {kernel.name}")
    joined = {name for a, b, _ in found for name in (a, b)}
    alone = (k for k in sorted(plan.kernels, key=lambda k: (k.line, k.column)))
    lines += [f"  {kernel.name}" for kernel in alone if kernel.name not in joined]
    return lines


def _write(terminal: Terminal, plan: Plan) -> None:
    order = {name for name, _, kind in edges(plan) if kind == "order"}
    for number, level in enumerate(plan.levels):
        terminal.say(terminal.paint("bold", f"level {number}"))
        for name in level:
            kernel = plan.kernel(name)
            data = [p for p in kernel.producers if p in kernel.data_producers]
            after = [p for p in kernel.producers if p not in kernel.data_producers]
            text = f"  {name} ({kernel.block.language})"
            text += f" <- {', '.join(data)}" if data else ""
            terminal.say(text + (f" after {', '.join(after)}" if after else ""))
    if order:
        terminal.say(terminal.paint("dim", "<- data, after: order alone"))
