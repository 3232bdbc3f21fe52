"""The command tree, and the way from an exception to an exit code.

`main` is `chimera` as a function: arguments in, exit code out. `run` is the console script.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from chimera_pipelines import __version__
from chimera_pipelines.cli import (
    check,
    checkpoint,
    dev,
    doctor,
    explain,
    graph,
    heads,
    keys,
    metrics,
    plan,
    tickets,
    verify,
)
from chimera_pipelines.cli import run as run_verb
from chimera_pipelines.cli.terminal import BROKEN_PIPE, abandon_output, opened
from chimera_pipelines.errors import ExitCode, UsageError

app = typer.Typer(
    name="chimera",
    help="MAML documents, compiled into orchestrated, signed quantum-classical pipelines.",
    epilog="Exit codes and JSON shapes: docs/cli.md. Error codes: chimera explain CODE.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - a typer callback
    if wanted:
        typer.echo(f"chimera {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    del version


app.command("check", epilog=check.EXAMPLE)(check.check)
app.command("explain", epilog=explain.EXAMPLE)(explain.explain)
app.command("plan", epilog=plan.EXAMPLE)(plan.plan)
app.command("graph", epilog=graph.EXAMPLE)(graph.graph)
app.command("run", epilog=run_verb.EXAMPLE)(run_verb.run)
app.command("verify", epilog=verify.EXAMPLE)(verify.verify)
app.add_typer(tickets.app, name="tickets")
app.add_typer(keys.app, name="keys")
app.add_typer(heads.app, name="heads")
app.add_typer(checkpoint.app, name="checkpoint")
app.command("metrics", epilog=metrics.EXAMPLE)(metrics.metrics)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
app.command("dev", epilog=dev.EXAMPLE)(dev.dev)


def main(arguments: Sequence[str]) -> int:
    """Run `chimera` with `arguments` and return its exit code.

    Errors are written to stderr, never raised: usage errors here, all others by the verb's
    terminal.
    """
    try:
        code = app(args=list(arguments), prog_name="chimera", standalone_mode=False)
    except typer.TyperException as error:
        return _usage(error, arguments)
    except (typer.Abort, KeyboardInterrupt):
        return int(ExitCode.INTERRUPTED)
    return code if isinstance(code, int) else int(ExitCode.OK)


def _usage(error: typer.TyperException, arguments: Sequence[str]) -> int:
    if "--json" not in arguments:
        context = getattr(error, "ctx", None)
        # Without arguments the message is the help itself, and no error text belongs around it.
        bare = context is not None and error.format_message() == context.get_help()
        sys.stderr.write((error.format_message() if bare else _usage_text(error)) + "\n")
        return int(ExitCode.USAGE)
    try:
        with opened(json=True):
            raise UsageError("CHIM201", error.format_message(), hint="see --help of the verb")
    except typer.Exit as done:
        return int(done.exit_code)


def _usage_text(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    verb = context.command_path if context is not None else "chimera"
    usage = context.get_usage() + "\n" if context is not None else ""
    return f"{usage}chimera: error[CHIM201]: {error.format_message()}\n   = hint: {verb} --help"


def run() -> None:
    """The console script `chimera`."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_output()
        code = BROKEN_PIPE
    sys.exit(code)
