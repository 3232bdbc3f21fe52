"""Reference pages of docs/ that are made from the program itself, so that they cannot drift.

`python -m chimera_pipelines.cli.reference docs` writes them; a test compares. What a person wrote
stands above the marker of each page and is left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main

from chimera_pipelines.cli import codes
from chimera_pipelines.cli.main import app

MARKER = "<!-- Below: made by `python -m chimera_pipelines.cli.reference docs`. -->\n"
WIDTH = 90


def cli_page() -> str:
    """The help of every verb."""
    return "\n".join(f"### `{name}`\n\n```text\n{text}\n```\n" for name, text in helps())


def helps() -> Iterator[tuple[str, str]]:
    """Each command's full name and its `--help`, groups before their verbs."""
    root: Any = typer.main.get_command(app)
    yield from _helps(root, "chimera", None)


def _helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = command.make_context(
        name.rpartition(" ")[2], [], parent=parent, resilient_parsing=True, terminal_width=WIDTH
    )
    lines = command.get_help(context).splitlines()
    yield name, "\n".join(line.rstrip() for line in lines)
    children: Mapping[str, Any] = getattr(command, "commands", {})
    for verb, child in children.items():
        yield from _helps(child, f"{name} {verb}", context)


def errors_page() -> str:
    """Every code with its meaning."""
    return "\n".join(
        f"### {code.code}: {code.title}\n\n*{code.severity}.* {code.text}\n"
        for code in codes.table().values()
    )


def settings_page() -> str:
    """Every `CHIMERA_*` variable."""
    from chimera_pipelines.settings import Settings

    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = _default(field)
        lines.append(f"| `CHIMERA_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "from this login"
    return "unset" if field.default is None else f"`{field.default}`"


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "errors.md": errors_page,
    "settings.md": settings_page,
}


def with_page(text: str, page: str) -> str:
    """`text` up to and with the marker, then the page.

    Raises:
        ValueError: the marker is missing.
    """
    above, marker, _ = text.partition(MARKER)
    if not marker:
        raise ValueError("the page has no marker")
    return f"{above}{marker}\n{page}"


def write(folder: Path) -> None:
    """Bring the pages of a docs folder up to date."""
    for name, page in PAGES.items():
        path = folder / name
        path.write_text(with_page(path.read_text("utf-8"), page()), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
