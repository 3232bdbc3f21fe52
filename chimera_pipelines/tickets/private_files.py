"""The files of private keys: a damaged one is an error that names it, and never its content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import SettingsError, Where


def read_record(path: Path) -> dict[str, Any]:
    """A private file as it lies there.

    Raises:
        SettingsError: CHIM223, it cannot be read or is no JSON object.
    """
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise unusable(path, f"cannot read private key: {error}") from None
    if not isinstance(record, dict):
        raise unusable(path, "cannot read private key: no JSON object")
    return record


@contextmanager
def well_formed(path: Path) -> Iterator[None]:
    """What a damaged record makes fail is said with its file, and without its content.

    Raises:
        SettingsError: CHIM223, a part of the record is missing or no such value.
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise unusable(path, f"private key is damaged: {type(error).__name__}") from None


def unusable(path: Path, message: str, *, hint: str | None = None) -> SettingsError:
    """CHIM223 of that file."""
    return SettingsError("CHIM223", message, where=Where(str(path)), hint=hint)
