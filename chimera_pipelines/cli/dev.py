"""`chimera dev`: `dagster dev` on this project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from chimera_pipelines.cli import options
from chimera_pipelines.cli.terminal import Terminal, opened

EXAMPLE = options.example("chimera dev --port 3000")


def dev(
    *,
    port: Annotated[int, typer.Option("--port", help="Port of the web UI.")] = 3000,
    host: Annotated[str, typer.Option("--host", help="Address it listens on.")] = "127.0.0.1",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Start Dagster's web UI on this project, and warm heads for its runs.

    Runs webserver and daemon until Ctrl-C. Heads that are up already are used, and stay.
    """
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.defs import dev as server

        terminal.note(f"http://{host}:{port}")
        server.dagster_home()
        server.check_port(host, port)
        with _heads(terminal):
            code = server.serve(host=host, port=port)
        if terminal.json:
            terminal.emit({"schema": "chimera.dev/1", "host": host, "port": port, "exit": code})
        raise typer.Exit(code)


@contextmanager
def _heads(terminal: Terminal) -> Iterator[None]:
    """Warm heads, where settings want head processes."""
    from chimera_pipelines.cli.warm_heads import recipe
    from chimera_pipelines.heads import warm
    from chimera_pipelines.settings import settings

    now = settings()
    if now.heads != "processes":
        yield
        return
    with warm.beside(recipe(now, cluster=now.cluster)) as ours:
        terminal.note("heads: starting" if ours else "heads: those that are up")
        yield
