"""`chimera checkpoint ls|verify|repair|restore`: the shares in the ring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chimera_pipelines.cli import options, values
from chimera_pipelines.cli.terminal import Terminal, opened
from chimera_pipelines.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from chimera_pipelines.ring.reports import CheckpointReport
    from chimera_pipelines.ring.ring import Ring
    from chimera_pipelines.ring.state import StateStore
    from chimera_pipelines.ring.state_records import StateRef

app = typer.Typer(
    help="List, verify, repair and restore checkpoints.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("ls", epilog=options.example("chimera checkpoint ls"))
def ls(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """List checkpoints and saved states of heads, and where their shares lie."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        stores = _stores()
        _show(terminal, [*stores.ring.ls(), *stores.states.ls()])


@app.command("verify", epilog=options.example("chimera checkpoint verify"))
def verify(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """Read every share. Exit 0: all good, 1: damaged but can be rebuilt, 9: beyond repair."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        stores = _stores()
        reports = [*stores.ring.verify(), *stores.states.verify()]
        _show(terminal, reports)
        terminal.say(_summary(reports))
        raise typer.Exit(int(code_of(reports)))


@app.command("repair", epilog=options.example("chimera checkpoint repair"))
def repair(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """Make lost and damaged shares again. Exit 0: all are good now, 9: some are beyond repair.

    No head's key is needed, but for what is encrypted with aes-2048.
    """
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        stores = _stores()
        before = _good([*stores.ring.verify(), *stores.states.verify()])
        reports = [*stores.ring.repair(), *stores.states.repair()]
        _count(_good(reports) - before)
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
    """Rebuild a checkpoint or a head's state into a file, opened with the heads' keys if sealed."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.ring.durable import write_atomically

        stores = _stores()
        checkpoints = [one.id for one in stores.ring.ls()]
        saved = {ref.id: ref for ref in stores.states.states()}
        whole = _find(content, [*checkpoints, *saved])
        data = (
            stores.ring.rebuild(whole)
            if whole in checkpoints
            else _state(stores.states, saved[whole])
        )
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


@dataclass(frozen=True, slots=True)
class _Stores:
    ring: Ring
    states: StateStore


def _stores() -> _Stores:
    """The project's checkpoints and states; looking at them makes no keys."""
    from chimera_pipelines.lifecycle import sealing
    from chimera_pipelines.settings import settings

    now = settings()
    keys = sealing.head_keys(now)
    manifests = sealing.Manifests(lambda: sealing.key_store(now))
    return _Stores(sealing.ring(now, keys), sealing.states(now, keys, manifests))


def _state(states: StateStore, ref: StateRef) -> memoryview:
    """A saved state; of a model, which is saved in parts, the whole."""
    from chimera_pipelines.ring.state_tensors import MEDIA, TensorStates

    return TensorStates(states).load(ref) if ref.media == MEDIA else states.load(ref)


def _good(reports: list[CheckpointReport]) -> int:
    return sum(share.status == "ok" for one in reports for share in one.shares)


def _count(repaired: int) -> None:
    """Count repaired shares in the ledger, for the metrics."""
    if repaired <= 0:
        return
    from chimera_pipelines.lifecycle.services import Services
    from chimera_pipelines.lifecycle.tallying import tally
    from chimera_pipelines.settings import settings

    with Services(settings()) as services:
        tally(services.ledger, "checkpoint_shares_repaired", repaired, operation="repair")


def _summary(reports: list[CheckpointReport]) -> str:
    good = sum(one.ok for one in reports)
    lost = sum(not one.repairable for one in reports)
    return (
        f"{len(reports)} checkpoints: {good} good, {len(reports) - good - lost} damaged but can be "
        f"rebuilt, {lost} beyond repair"
    )


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
            _named(one),
            values.size(one.bytes),
            str(one.encryption),
            " ".join(f"{share.head}:{share.status}" for share in one.shares),
        )
        for one in reports
    ]
    for line in values.table(("id", "document", "kernel", "size", "encryption", "shares"), rows):
        terminal.say(line)


def _named(one: CheckpointReport) -> str:
    """The kernel, and of a head's state which one."""
    if one.state is None:
        return one.kernel or "-"
    name = one.state.name.partition("#")[0]
    return f"{one.kernel} ({name} {one.state.generation} of {one.state.head})"
