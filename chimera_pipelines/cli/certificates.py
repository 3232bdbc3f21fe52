"""`chimera heads certificates init`: an authority, and certificates for heads elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chimera_pipelines.cli import options, values
from chimera_pipelines.cli.terminal import opened

app = typer.Typer(
    help="Make certificates for heads on several machines.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    """A group even while it has one verb, so that a second does not change the first's name."""


@app.command("init", epilog=options.example("chimera heads certificates init tls --machine node-a"))
def init(
    *,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder; made when missing.")],
    machine: Annotated[
        list[str] | None,
        typer.Option("--machine", metavar="NAME", help="A machine that runs heads. Repeats."),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", min=1, max=3650, help="Validity of new certificates.")
    ] = 365,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Make an authority, a client's certificate and one for each machine, where they are missing.

    The authority's key stays here; a machine gets its own .pem and .key, and authority.pem.
    """
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.heads import certificates
        from chimera_pipelines.settings import HEAD_IDS, settings

        gateway = settings().gateway
        made = certificates.init(folder, machine or [], gateway=gateway, heads=HEAD_IDS, days=days)
        if terminal.json:
            terminal.emit(
                {
                    "schema": "chimera.certificates/1",
                    "path": str(folder),
                    "certificates": [one.as_json() for one in made],
                }
            )
        rows = [(one.name, "made" if one.new else "kept", one.expires) for one in made]
        for line in values.table(("certificate", "", "expires"), rows):
            terminal.say(line)
        for name in machine or []:
            terminal.note(
                f"on {name}: CHIMERA_TLS_CERTIFICATE={name}.pem CHIMERA_TLS_KEY={name}.key "
                "CHIMERA_TLS_AUTHORITY=authority.pem"
            )
