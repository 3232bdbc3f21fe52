"""`chimera dev`: `dagster dev` on this project."""

from __future__ import annotations

from typing import Annotated

import typer

from chimera_pipelines.cli import options
from chimera_pipelines.cli.terminal import opened

EXAMPLE = options.example("chimera dev --port 3000")


def dev(
    *,
    port: Annotated[int, typer.Option("--port", help="Port of the web UI.")] = 3000,
    host: Annotated[str, typer.Option("--host", help="Address it listens on.")] = "127.0.0.1",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Start Dagster's web UI on this project.

    Runs webserver and daemon until Ctrl-C.
    """
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.defs import dev as server

        terminal.note(f"http://{host}:{port}")
        code = server.serve(host=host, port=port)
        if terminal.json:
            terminal.emit({"schema": "chimera.dev/1", "host": host, "port": port, "exit": code})
        raise typer.Exit(code)
