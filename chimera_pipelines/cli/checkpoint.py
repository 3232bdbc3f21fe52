"""`chimera checkpoint ls|verify|repair|restore`: the shares in the ring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chimera_pipelines.cli import options, values
from chimera_pipelines.cli.terminal import Terminal, opened
from chimera_pipelines.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from chimera_pipelines.ring.reports import CheckpointReport
    from chimera_pipelines.ring.ring import Ring

app = typer.Typer(
    help="List, verify, repair and restore checkpoints.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("ls", epilog=options.example("chimera checkpoint ls"))
def ls(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """List checkpoints and where their shares lie."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        _show(terminal, _ring().ls())


@app.command("verify", epilog=options.example("chimera checkpoint verify"))
def verify(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """Read every share. Exit 0: all good, 1: damaged but can be rebuilt, 9: beyond repair."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        reports = _ring().verify()
        _show(terminal, reports)
        terminal.say(_summary(reports))
        raise typer.Exit(int(code_of(reports)))


@app.command("repair", epilog=options.example("chimera checkpoint repair"))
def repair(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """Make lost and damaged shares again. Exit 0: all are good now, 9: some are beyond repair."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        reports = _ring().repair()
        _show(terminal, reports)
        terminal.say(_summary(reports))
        raise typer.Exit(int(code_of(reports)))


@app.command("restore", epilog=options.example("chimera checkpoint restore sha256:9f2c -o out.bin"))
def restore(
    *,
    content: Annotated[
        str, typer.Argument(metavar="ID", help="A checkpoint's id, or a beginning that is unique.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="File to write.")],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Rebuild a checkpoint into a file, opened with the heads' keys where it is sealed."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.ring.durable import write_atomically

        ring = _ring()
        whole = _find(content, [one.id for one in ring.ls()])
        data = ring.rebuild(whole)
        try:
            write_atomically(output.absolute(), [data])
        except OSError as error:
            raise UsageError("CHIM202", f"cannot write '{output}': {error.strerror}") from None
        if terminal.json:
            terminal.emit(
                {
                    "schema": "chimera.restored/1",
                    "id": whole,
                    "bytes": len(data),
                    "path": str(output),
                }
            )
        terminal.say(f"{whole}: {len(data)} bytes in {output}")


def code_of(reports: list[CheckpointReport]) -> ExitCode:
    """0 when every share is good, 1 when something is damaged, 9 when it is beyond repair."""
    if not all(one.repairable for one in reports):
        return ExitCode.BEYOND_REPAIR
    return ExitCode.OK if all(one.ok for one in reports) else ExitCode.KERNEL_FAILED


def _summary(reports: list[CheckpointReport]) -> str:
    good = sum(one.ok for one in reports)
    lost = sum(not one.repairable for one in reports)
    return (
        f"{len(reports)} checkpoints: {good} good, {len(reports) - good - lost} damaged but can be "
        f"rebuilt, {lost} beyond repair"
    )


def _ring() -> Ring:
    from chimera_pipelines.ring.ring import Ring
    from chimera_pipelines.settings import settings
    from chimera_pipelines.tickets.head_keys import HeadKeyStore

    now = settings()
    keys = HeadKeyStore(now.root / "keys", passphrase_file=now.key_passphrase_file)
    return Ring(now.root / "ring", urls=now.share_stores, keys=keys)


def _find(text: str, known: list[str]) -> str:
    wanted = text if text.startswith("sha256:") else f"sha256:{text}"
    found = sorted({one for one in known if one.startswith(wanted)})
    if len(found) == 1:
        return found[0]
    problem = "no checkpoint" if not found else f"{len(found)} checkpoints begin with"
    raise UsageError("CHIM206", f"{problem} '{text}'", hint="chimera checkpoint ls")


def _show(terminal: Terminal, reports: list[CheckpointReport]) -> None:
    if terminal.json:
        found = [one.as_json() for one in reports]
        terminal.emit({"schema": "chimera.checkpoints/1", "checkpoints": found})
        return
    rows = [
        (
            values.short(one.id),
            one.document or "-",
            one.kernel or "-",
            values.size(one.bytes),
            " ".join(f"{share.head}:{share.status}" for share in one.shares),
        )
        for one in reports
    ]
    for line in values.table(("id", "document", "kernel", "size", "shares"), rows):
        terminal.say(line)
