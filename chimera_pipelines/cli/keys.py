"""`chimera keys init|list|export|rotate`: the signing keys of this gateway and its heads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chimera_pipelines.cli import evidence, options, values
from chimera_pipelines.cli.terminal import opened
from chimera_pipelines.errors import UsageError

if TYPE_CHECKING:
    from chimera_pipelines.tickets.keys import KeyStore

app = typer.Typer(
    help="Make, list, export and rotate signing keys.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("init", epilog=options.example("chimera keys init"))
def init(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """Make the keys that are missing; keys that exist stay as they are."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.settings import settings

        store = evidence.key_store(settings())
        made = [info.key.key_id for info in store.init()]
        keys = _public(store)
        folder = settings().root / "keys"
        if terminal.json:
            terminal.emit({**_report(keys), "made": made, "path": str(folder)})
        if not quiet:
            terminal.say(f"{len(made)} keys made, {len(keys)} keys in {folder}")


@app.command("list", epilog=options.example("chimera keys list"))
def list_(
    *, as_json: options.Json = False, quiet: options.Quiet = False, verbose: options.Verbose = 0
) -> None:
    """List public keys by holder."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.settings import settings

        keys = _public(evidence.key_store(settings()))
        if terminal.json:
            terminal.emit(_report(keys))
        rows = [
            (str(key["holder"]), str(key["key"]), _state(key), str(key["protection"]))
            for key in keys
        ]
        for line in values.table(("holder", "key", "state", "private key"), rows):
            terminal.say(line)


@app.command("export", epilog=options.example("chimera keys export -o keys.jwks.json"))
def export(
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="File; default: stdout.")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Write the public keys as JWKS: what a stranger needs to verify."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.settings import settings

        jwks = evidence.key_store(settings()).export()
        text = json.dumps(jwks, indent=1)
        if output is not None:
            try:
                output.write_text(text + "\n", "utf-8")
            except OSError as error:
                raise UsageError("CHIM202", f"cannot write '{output}': {error.strerror}") from None
            terminal.note(f"{len(jwks['keys'])} public keys in {output}")
        if terminal.json:
            terminal.emit({"schema": "chimera.jwks/1", **jwks})
        elif output is None:
            terminal.say(text)


@app.command("rotate", epilog=options.example("chimera keys rotate HEAD_1"))
def rotate(
    *,
    holder: Annotated[
        str, typer.Argument(metavar="HOLDER", help="HEAD_n, `gateway`, or a holder's whole URI.")
    ],
    revoke: Annotated[
        bool, typer.Option("--revoke", help="End the old key now, as after a theft.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Give a holder a new key; the old one stays valid for what it signed until now."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.settings import settings

        store = evidence.key_store(settings())
        whole = _holder(holder, settings().gateway)
        made = store.rotate(whole, revoke=revoke)
        if terminal.json:
            terminal.emit({**_report(_public(store)), "rotated": whole})
        terminal.say(f"{whole} signs with {made.key_id}")
        terminal.note("export the public keys again: verifiers must learn the new one")


def _holder(text: str, gateway: str) -> str:
    if text == "gateway":
        return gateway
    if text.startswith("HEAD_"):
        return f"head://{gateway.removeprefix('gateway://')}/{text}"
    return text


def _public(store: KeyStore) -> list[dict[str, object]]:
    """What may be shown of every key: never more than its public part."""
    return [info.as_json() for info in store.list()]


def _state(key: dict[str, object]) -> str:
    if key["active"]:
        return "signs"
    return "old" if key["not_after"] is None else "revoked"


def _report(keys: list[dict[str, object]]) -> dict[str, object]:
    return {"schema": "chimera.keys/1", "keys": keys}
