"""Values on their way in (`--input name=value`) and out (tables, sizes, durations)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chimera_pipelines.cli.terminal import clean
from chimera_pipelines.errors import UsageError, Where


def run_inputs(given: Sequence[str] | None, file: Path | None) -> dict[str, Any]:
    """Run inputs from `--inputs FILE` and `--input name=value`, the latter winning.

    A value is JSON when it parses as JSON, else the text itself.

    Raises:
        UsageError: CHIM202 or CHIM207, a file or an argument that cannot be used.
    """
    found = {} if file is None else _object_of(file)
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(
                "CHIM207",
                f"--input '{text}' is no name=value",
                hint="for example --input theta=0.5",
            )
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _object_of(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text("utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise UsageError("CHIM202", f"cannot read '{file}': {error.strerror}") from None
    except ValueError as error:
        raise UsageError(
            "CHIM207", f"'{file}' is not JSON: {error}", where=Where(str(file))
        ) from None
    if not isinstance(found, dict):
        raise UsageError("CHIM207", f"'{file}' holds no JSON object", where=Where(str(file)))
    return found


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, columns padded to their widest cell."""
    whole = [tuple(heads), *(tuple(clean(cell) for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in whole) for i in range(len(heads))]
    return [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in whole
    ]


def compact(value: Any) -> str:
    """A JSON value on one line."""
    return clean(json.dumps(value, ensure_ascii=False))


def short(digest: str | None) -> str:
    """The first 12 hex digits of a content id."""
    return "-" if digest is None else digest.removeprefix("sha256:")[:12]


def size(count: int) -> str:
    """Bytes in binary units, for people."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:  # noqa: PLR2004 - binary units
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} PiB"
