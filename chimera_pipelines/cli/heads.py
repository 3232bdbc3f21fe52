"""`chimera heads`: the four heads; `explain` and `history` have modules of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from chimera_pipelines.cli import certificates, heads_explain, heads_history, options, values
from chimera_pipelines.cli.terminal import opened
from chimera_pipelines.errors import HeadUnavailableError

if TYPE_CHECKING:
    from chimera_pipelines.settings import Settings

app = typer.Typer(
    help="List heads, explain where a kernel would run, and tell what happened to them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(certificates.app, name="certificates")


@app.command("list", epilog=options.example("chimera heads list --json"))
def list_(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """List the heads. Without head processes they live in the process of a run, so all are down."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.settings import settings

        found = heads(settings())
        if terminal.json:
            terminal.emit({"schema": "chimera.heads/1", "heads": found})
        rows = [(one["head"], one["kind"], one["device"], one["state"]) for one in found]
        for line in values.table(("head", "kind", "device", "state"), rows):
            terminal.say(line)


app.command("explain", epilog=heads_explain.EXAMPLE)(heads_explain.explain)
app.command("history", epilog=heads_history.EXAMPLE)(heads_history.history)


def heads(now: Settings) -> list[dict[str, Any]]:
    """The `heads[]` of `chimera.heads/1`.

    Raises:
        HeadUnavailableError: MAML905, settings ask for a device that is not here.
    """
    from chimera_pipelines.cli.probes import cuda_devices
    from chimera_pipelines.scheduling.router import KIND_OF_HEAD

    if now.device == "gpu" and not cuda_devices()[0]:
        raise HeadUnavailableError(
            "MAML905",
            f"CHIMERA_DEVICE is gpu and there is none: {cuda_devices()[1]}",
            hint="unset CHIMERA_DEVICE to run on cpu; see 'chimera doctor'",
        )
    return [
        {
            "head": head,
            "kind": kind,
            "device": now.device,
            "state": "down",
            "pid": None,
            "incarnation": 1,
            "step": None,
            "registers": 0,
            "register_bytes": 0,
            "uptime_s": None,
            "reputation": None,
        }
        for head, kind in KIND_OF_HEAD.items()
    ]
