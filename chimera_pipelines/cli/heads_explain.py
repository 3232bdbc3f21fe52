"""`chimera heads explain`: which heads may run a kernel, and what speaks for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import options, values
from chimera_pipelines.cli.terminal import Terminal, clean, opened
from chimera_pipelines.errors import DocumentError, UsageError

if TYPE_CHECKING:
    from chimera_pipelines.lifecycle.spec import KernelSpec
    from chimera_pipelines.scheduling.chances import Chance
    from chimera_pipelines.scheduling.plan import Plan
    from chimera_pipelines.settings import Settings

EXAMPLE = options.example("chimera heads explain h2_vqe#vqe", "chimera heads explain vqe")


def explain(
    *,
    kernel: Annotated[
        str,
        typer.Argument(
            metavar="FILE#KERNEL",
            help="A kernel of a file or of a document here; its name alone where only one has it.",
        ),
    ],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Say which heads may run a kernel, why, and how likely each is to be chosen."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.settings import settings

        now = settings()
        plan, found = _find(kernel, now)
        chances = _chances(found, now)
        reason = _reason(found)
        if terminal.json:
            terminal.emit(
                {
                    "schema": "chimera.heads.explain/1",
                    "document": plan.document.path,
                    "kernel": found.name,
                    "tags": list(found.head_tags),
                    "heads": list(found.heads),
                    **({"feedback_heads": [*found.feedback_heads]} if found.learns else {}),
                    "critical": found.critical,
                    "threshold": now.critical_reputation,
                    "bytes": found.bytes,
                    "reason": reason,
                    "chances": [_as_json(one) for one in chances],
                }
            )
        else:
            _write(terminal, found, chances, reason)


def _chances(kernel: KernelSpec, now: Settings) -> tuple[Chance, ...]:
    from chimera_pipelines.ledger.ledger import Ledger
    from chimera_pipelines.scheduling.chances import chances
    from chimera_pipelines.scheduling.router import job_of
    from chimera_pipelines.scheduling.routing import open_router

    ledger = Ledger(now.ledger)
    try:
        router = open_router(ledger, now, run_id="explain")
    finally:
        ledger.close()
    return chances(router, job_of(kernel), kernel)


def _as_json(chance: Chance) -> dict[str, Any]:
    found = chance.reputation
    return {
        "head": chance.head,
        "allowed": chance.allowed,
        "why": chance.why,
        "reputation": {
            "alpha": round(found.alpha, 6),
            "beta": round(found.beta, 6),
            "mean": round(found.mean, 6),
            "observations": found.observations,
            "bad_in_a_row": found.streak,
        },
        "speed": round(chance.speed, 6),
        "uptime": round(found.uptime, 6),
        "error_rate": round(found.error_rate, 6),
        "weight": round(chance.weight, 6),
        "probability": round(chance.probability, 4),
    }


def _write(
    terminal: Terminal, kernel: KernelSpec, chances: tuple[Chance, ...], reason: str
) -> None:
    heads = ", ".join(kernel.heads) or "none"
    terminal.say(clean(f"{kernel.name}: {heads}; {reason}"))
    rows = [
        (
            one.head,
            f"{one.probability:.0%}" if one.allowed else "-",
            f"{one.weight:.2f}" if one.allowed else "-",
            f"{one.reputation.mean:.2f} = {one.reputation.alpha:.1f} : {one.reputation.beta:.1f}",
            f"{one.speed:.2f}",
            f"{one.reputation.uptime:.3f}",
            f"{one.reputation.error_rate:.2f}",
            one.why,
        )
        for one in chances
    ]
    columns = ("head", "chosen", "weight", "reputation", "speed", "uptime", "errors", "why")
    for line in values.table(columns, rows):
        terminal.say(clean(line))


def _find(text: str, now: Settings) -> tuple[Plan, KernelSpec]:
    """The kernel that is meant.

    Raises:
        UsageError: CHIM201, the text names none or several; CHIM206, there is no such kernel.
    """
    from chimera_pipelines.scheduling.plan import load_plan

    file, mark, name = text.rpartition("#")
    if not mark:
        return _find_alone(text, now)
    if not file or not name:
        raise UsageError(
            "CHIM201", f"'{text}' is no FILE#KERNEL", hint="for example h2_vqe.maml.md#vqe"
        )
    given = Path(file)
    plan = load_plan(given if given.exists() else now.documents / f"{file}.maml.md")
    try:
        return plan, plan.kernel(name)
    except KeyError:
        known = ", ".join(one.name for one in plan.kernels)
        raise UsageError("CHIM206", f"no kernel '{name}'", hint=f"there are: {known}") from None


def _find_alone(name: str, now: Settings) -> tuple[Plan, KernelSpec]:
    from chimera_pipelines.maml.names import SUFFIX
    from chimera_pipelines.scheduling.plan import load_plan

    found = []
    for path in sorted(now.documents.glob(f"*{SUFFIX}")):
        try:
            plan = load_plan(path)
        except DocumentError:
            continue  # a document with errors has no kernel that could run
        found += [(plan, kernel) for kernel in plan.kernels if kernel.name == name]
    if not found:
        raise UsageError(
            "CHIM206",
            f"no document in '{now.documents}' has a kernel '{name}'",
            hint="name its file: FILE#KERNEL",
        )
    if len(found) > 1:
        places = ", ".join(f"{plan.slug}#{name}" for plan, _ in found)
        raise UsageError("CHIM201", f"'{name}' is in {len(found)} documents", hint=places)
    return found[0]


def _reason(kernel: KernelSpec) -> str:
    tags, language = kernel.head_tags, kernel.block.language
    asked = f"tags {', '.join(tags)}" if tags else "no tags"
    if language in ("qiskit", "qasm"):
        why = f"{asked}; a {language} block evolves registers, which quantum heads hold"
        learns = (
            f"; its feedback block imports torch and runs on {' or '.join(kernel.feedback_heads)}"
        )
        return why + learns if kernel.learns else why
    return f"{asked}; a {language} block"
