"""`chimera heads`: the four heads; most verbs have modules of their own."""

from __future__ import annotations

import typer

from chimera_pipelines.cli import (
    certificates,
    heads_explain,
    heads_history,
    heads_life,
    options,
    values,
)
from chimera_pipelines.cli.terminal import opened

app = typer.Typer(
    help="Start and end heads, show what they do, explain where a kernel would run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(certificates.app, name="certificates")


@app.command("list", epilog=options.example("chimera heads list --json"))
def list_(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """List the heads and whether they are up."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.settings import settings

        found = heads_life.heads(settings())
        if terminal.json:
            terminal.emit({"schema": "chimera.heads/1", "heads": found})
        rows = [(one["head"], one["kind"], one["device"], one["state"]) for one in found]
        for line in values.table(("head", "kind", "device", "state"), rows):
            terminal.say(line)


app.command("up", epilog=heads_life.UP)(heads_life.up)
app.command("down", epilog=heads_life.DOWN)(heads_life.down)
app.command("status", epilog=heads_life.STATUS)(heads_life.status)
app.command("restart", epilog=heads_life.RESTART)(heads_life.restart)
app.command("explain", epilog=heads_explain.EXAMPLE)(heads_explain.explain)
app.command("history", epilog=heads_history.EXAMPLE)(heads_history.history)
