"""`chimera heads list|explain`: the four heads, and which of them would run a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import certificates, options, values
from chimera_pipelines.cli.terminal import clean, opened
from chimera_pipelines.errors import HeadUnavailableError, UsageError

if TYPE_CHECKING:
    from chimera_pipelines.settings import Settings

app = typer.Typer(
    help="List heads, and explain where a kernel would run.",
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


@app.command("explain", epilog=options.example("chimera heads explain h2_vqe#vqe"))
def explain(
    *,
    kernel: Annotated[
        str,
        typer.Argument(metavar="FILE#KERNEL", help="A kernel of a file, or of a document here."),
    ],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Say which heads may run a kernel, and why."""
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.scheduling.plan import load_plan
        from chimera_pipelines.settings import settings

        file, name = _kernel_place(kernel, settings())
        plan = load_plan(file)
        try:
            found = plan.kernel(name)
        except KeyError:
            known = ", ".join(one.name for one in plan.kernels)
            raise UsageError("CHIM206", f"no kernel '{name}'", hint=f"there are: {known}") from None
        reason = _reason(found.head_tags, found.block.language)
        if terminal.json:
            terminal.emit(
                {
                    "schema": "chimera.heads.explain/1",
                    "kernel": name,
                    "tags": list(found.head_tags),
                    "heads": list(found.heads),
                    "bytes": found.bytes,
                    "reason": reason,
                }
            )
        heads_text = ", ".join(found.heads) or "none"
        terminal.say(clean(f"{name}: {heads_text}; {reason}"))


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


def _kernel_place(text: str, now: Settings) -> tuple[Path, str]:
    file, mark, name = text.rpartition("#")
    if not mark or not file or not name:
        raise UsageError(
            "CHIM201", f"'{text}' is no FILE#KERNEL", hint="for example h2_vqe.maml.md#vqe"
        )
    given = Path(file)
    return (given if given.exists() else now.documents / f"{file}.maml.md"), name


def _reason(tags: tuple[str, ...], language: str) -> str:
    asked = f"tags {', '.join(tags)}" if tags else "no tags"
    if language in ("qiskit", "qasm"):
        return f"{asked}; a {language} block evolves registers, which quantum heads hold"
    return f"{asked}; a {language} block"
