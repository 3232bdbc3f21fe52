"""How an agent is started, and whether one that runs was started like that."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chimera_pipelines.digest import canonical, sha256
from chimera_pipelines.heads.state import State
from chimera_pipelines.settings import Settings

SETTINGS_DIGEST = "HEADS_SETTINGS_DIGEST"
"""Variable in which an agent finds the digest of its settings."""

MODULE = "chimera_pipelines.heads"
"""What an agent's interpreter runs."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an agent is started.

    Attributes:
        performers: "module:Class" by name.
        preload: modules that it imports before it forks.
        start: heads that it starts at once.
        options: further words of its command line.
    """

    settings: Settings = field(repr=False)  # it may hold a password
    performers: Mapping[str, str]
    preload: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def serves(state: State, recipe: Recipe) -> bool:
    """Whether a warm agent has what a run wants, and the settings that it was given."""
    wanted = settings_digest(recipe.settings)
    return state.settings == wanted and recipe.performers.items() <= state.performers.items()


def settings_digest(settings: Settings) -> str:
    """Names the settings that heads have."""
    return sha256(canonical(_fields(settings)))


def environment(settings: Settings) -> dict[str, str]:
    """Our environment, with these settings in place of ours.

    Their digest goes along here: settings may hold a password of a database, and from a command
    line, which everybody on the machine can read, its digest would let it be guessed.
    """
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CHIMERA_")}
    given = {name: value for name, value in _fields(settings).items() if value is not None}
    texts = {f"CHIMERA_{name.upper()}": _text(value) for name, value in given.items()}
    return kept | texts | {SETTINGS_DIGEST: settings_digest(settings)}


def command(
    recipe: Recipe, folder: Path, *, owner: int | None, keeps_folder: bool, report: int
) -> list[str]:
    """The command line of an agent: no secret is in it."""
    settings = recipe.settings
    lists = {
        "--preload": recipe.preload,
        "--performer": [f"{name}={target}" for name, target in recipe.performers.items()],
        "--start": recipe.start,
    }
    single = {
        "--device": settings.device,
        "--memory": settings.head_memory_bytes,
        "--owner": owner,
        "--report": report,
    }
    words = [sys.executable, "-P", "-m", MODULE, str(folder)]
    for option, values in lists.items():
        words += [part for value in values for part in (option, value)]
    for name, value in single.items():
        words += [] if value is None else [name, str(value)]
    words += ["--keep-folder"] if keeps_folder else []
    return [*words, *recipe.options]


def _fields(settings: Settings) -> dict[str, Any]:
    """Settings as JSON; paths mean the same in every folder."""
    fields = settings.model_dump(mode="json")
    for name, value in settings:
        if isinstance(value, Path):
            fields[name] = str(value.expanduser().absolute())
    return fields


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
