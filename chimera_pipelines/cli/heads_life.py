"""`chimera heads up|down|status|restart`: warm heads that outlive a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import options, values
from chimera_pipelines.cli.terminal import Terminal, opened
from chimera_pipelines.errors import UsageError
from chimera_pipelines.heads.liveness import RECOMPUTE_S

if TYPE_CHECKING:
    from chimera_pipelines.settings import Settings

UP = options.example("chimera heads up")
DOWN = options.example("chimera heads down")
STATUS = options.example("chimera heads status --json")
RESTART = options.example("chimera heads restart HEAD_1")

_COLUMNS = ("head", "kind", "device", "state", "pid", "incarnation", "step", "registers", "up")


def up(
    *,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Place heads on the machines of a Ray cluster; `auto`: the one here.",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Start the four heads, or find them running; returns when all of them answer."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.cli.warm_heads import recipe
        from chimera_pipelines.heads import warm
        from chimera_pipelines.settings import settings

        began = time.monotonic()
        now = settings()
        where = cluster or now.cluster
        if where is None:
            require_device(now)
        terminal.note("heads: starting, with their imports")
        show(terminal, warm.up(recipe(now, cluster=where)))
        terminal.note(f"heads: up after {time.monotonic() - began:.1f} s")


def down(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """End the heads and their agent; runs that go on start heads of their own."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.heads import warm
        from chimera_pipelines.settings import settings

        now = settings()
        ended = warm.down(now)
        terminal.note("heads: were down" if ended is None else f"heads: ended {ended}")
        if terminal.json:
            show(terminal, warm.status(now))


def status(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """Show what each head does and holds."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.settings import settings

        show(terminal, heads(settings()))


def restart(
    *,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[HEAD]...", help="Which; default all four.")
    ] = None,
    recompute: Annotated[
        bool,
        typer.Option(
            "--recompute",
            help="Run kernels of their last tickets again, and compare what they give.",
        ),
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Replace heads by new incarnations; what they were doing is done again."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.heads import warm
        from chimera_pipelines.settings import HEAD_IDS, settings

        unknown = next((name for name in names or () if name not in HEAD_IDS), None)
        if unknown is not None:
            raise UsageError(
                "CHIM206", f"no head '{unknown}'", hint=f"there are: {', '.join(HEAD_IDS)}"
            )
        now = settings()
        patience_s = RECOMPUTE_S if recompute else warm.UP_S
        chosen = tuple(names or HEAD_IDS)
        warm.restart(now, chosen, recompute=recompute, timeout_s=patience_s)
        show(terminal, heads(now))


def heads(now: Settings) -> list[dict[str, Any]]:
    """The `heads[]` of `chimera.heads/1`, with reputations where the ledger has any.

    Raises:
        HeadUnavailableError: MAML905, settings ask for a device that is not here.
    """
    from chimera_pipelines.heads import warm

    require_device(now)
    rows = warm.status(now)
    known = _reputations(now)
    return [{**row, "reputation": known.get(row["head"])} for row in rows]


def show(terminal: Terminal, rows: list[dict[str, Any]]) -> None:
    """Rows as JSON or as a table."""
    if terminal.json:
        terminal.emit({"schema": "chimera.heads/1", "heads": rows})
    lines = [
        (
            row["head"],
            row["kind"],
            row["device"],
            row["state"],
            _shown(row["pid"]),
            str(row["incarnation"]),
            _shown(row["step"]),
            f"{row['registers']} ({row['register_bytes']} bytes)",
            "-" if row["uptime_s"] is None else f"{row['uptime_s']:.0f} s",
        )
        for row in rows
    ]
    for line in values.table(_COLUMNS, lines):
        terminal.say(line)


def require_device(now: Settings) -> None:
    """See that the device of the settings is here.

    Raises:
        HeadUnavailableError: MAML905.
    """
    from chimera_pipelines.cli.probes import cuda_devices
    from chimera_pipelines.errors import HeadUnavailableError

    if now.device == "gpu" and not cuda_devices()[0]:
        raise HeadUnavailableError(
            "MAML905",
            f"CHIMERA_DEVICE is gpu and there is none: {cuda_devices()[1]}",
            hint="unset CHIMERA_DEVICE to run on cpu; see 'chimera doctor'",
        )


def _reputations(now: Settings) -> dict[str, float]:
    """Mean reputation of each head; empty where no run has left a ledger."""
    file = now.ledger.removeprefix("sqlite:///")
    if file != now.ledger and not Path(file).exists():
        return {}
    from chimera_pipelines.ledger.ledger import Ledger
    from chimera_pipelines.scheduling.reputation import reputations

    ledger = Ledger(now.ledger)
    try:
        found = reputations(ledger, time.time_ns())
    finally:
        ledger.close()
    return {head: round(one.mean, 4) for head, one in found.items()}


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
