"""`dataset://a/b/c` as kernel input: which file that is, whether it may be read, and its rows (§4).

Permission comes first, by the text of the URI alone; then the file is found under one root that no
link may lead out of. Parquet and CSV are read by DuckDB in a connection that may open this one file
and nothing else; JSON Lines by the standard library, since its values are JSON already and type
guessing would change them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from chimera_pipelines.contracts.permissions import permitted
from chimera_pipelines.digest import MAX_BYTES, JSONValue, NotCanonicalError, normalise
from chimera_pipelines.errors import KernelError, RefusedError

SUFFIXES = (".parquet", ".csv", ".jsonl")
Rows = list[dict[str, JSONValue]]

_SEGMENT = re.compile(r"[A-Za-z0-9._~@:+-]+\Z")
_BATCH_ROWS = 4096
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "1GB",
    "threads": 2,
}
_READERS = {
    ".parquet": "read_parquet(?)",
    ".csv": "read_csv(?, header = true, sample_size = -1, compression = 'none')",
}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset's file (absolute, links resolved) and the content id of its bytes."""

    path: Path
    sha256: str


def resolve(uri: str, root: Path, read_patterns: Sequence[str]) -> Dataset:
    """The file that a `dataset://` URI names, if `read_patterns` permit it.

    Args:
        uri: `dataset://a/b/c`, without a suffix or with one of `.parquet .csv .jsonl`.
        root: folder under which the file `a/b/c` lies.
        read_patterns: `permissions.read` of the document.

    Raises:
        RefusedError: MAML704, the URI is malformed, not permitted, or a link leads out of `root`.
        KernelError: MAML505, permitted, but there is no such file or it cannot be read.
    """
    segments = _segments(uri)
    if not permitted(read_patterns, uri):
        raise RefusedError(
            "MAML704", f"'{uri}' is not permitted", hint="name it under permissions.read"
        )
    path = _find(uri, root.joinpath(*segments))
    try:
        real, home = path.resolve(strict=True), root.resolve(strict=True)
        inside = real.is_relative_to(home)
        found = Dataset(real, _file_digest(real)) if inside and real.is_file() else None
    except (OSError, RuntimeError) as error:
        raise KernelError("MAML505", f"'{uri}' cannot be read: {_reason(error)}") from None
    if not inside:
        raise RefusedError(
            "MAML704", f"'{uri}' leads out of the dataset folder", hint="put the file itself there"
        )
    if found is None:
        raise KernelError("MAML505", f"'{uri}' is no file")
    return found


def _segments(uri: str) -> list[str]:
    scheme, _, path = uri.partition("://")
    if scheme != "dataset":
        raise RefusedError("MAML704", f"'{uri}' is no dataset", hint="write dataset://name/of/file")
    segments = path.split("/")
    for segment in segments:
        if segment in {"", ".", ".."} or not _SEGMENT.match(segment):
            raise RefusedError(
                "MAML704",
                f"'{uri}' has the segment '{segment}'",
                hint="no '..', '.', empty or percent-encoded segment",
            )
    return segments


def _find(uri: str, bare: Path) -> Path:
    if bare.suffix in SUFFIXES:
        return bare
    for suffix in SUFFIXES:
        candidate = bare.with_name(bare.name + suffix)
        if candidate.exists() or candidate.is_symlink():
            return candidate
    raise KernelError(
        "MAML505",
        f"no file for '{uri}'",
        hint=f"put {bare.name} with one of {' '.join(SUFFIXES)} into {bare.parent}",
    )


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def read_rows(path: Path) -> Rows:
    """The rows of a dataset file as JSON objects, in the file's order.

    DATE and TIME become ISO text, TIMESTAMP UTC text with `Z`, DECIMAL a number, LIST and STRUCT
    JSON; an absent value is null.

    Raises:
        KernelError: MAML505, the file is damaged, has columns of another type or of one name, has
            numbers that are no JSON, or is more than 16 MiB as JSON.
    """
    budget = _Budget(path)
    rows: Rows = []
    source = _read_lines(path) if path.suffix == ".jsonl" else _read_table(path)
    for row in source:
        budget.spend(row)
        rows.append(row)
    return rows


@dataclass(slots=True)
class _Budget:
    """Stops early what could only be refused later: a lower bound of the rows' JSON text."""

    path: Path
    spent: int = 0

    def spend(self, row: dict[str, JSONValue]) -> None:
        self.spent += 2 + sum(
            len(name) + 4 + (len(value) if isinstance(value, str | list | dict) else 1)
            for name, value in row.items()
        )
        if self.spent > MAX_BYTES:
            raise KernelError(
                "MAML505",
                f"'{self.path.name}' is more than {MAX_BYTES} bytes as JSON",
                hint="aggregate it in a sql kernel or split the file",
            )


def _read_lines(path: Path) -> Iterator[dict[str, JSONValue]]:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _line(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        raise KernelError("MAML505", f"'{path.name}': {_reason(error)}") from None


def _line(path: Path, number: int, line: str) -> dict[str, JSONValue]:
    try:
        row = normalise(json.loads(line, object_pairs_hook=_unique, parse_constant=_no_number))
    except (ValueError, RecursionError) as error:
        raise KernelError("MAML505", f"'{path.name}' line {number}: {error}") from None
    if not isinstance(row, dict):
        raise KernelError("MAML505", f"'{path.name}' line {number} is no JSON object")
    return row


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _read_table(path: Path) -> Iterator[dict[str, JSONValue]]:
    import duckdb

    reader = _READERS.get(path.suffix)
    if reader is None:
        raise KernelError("MAML505", f"'{path.name}' is none of {' '.join(SUFFIXES)}")
    try:
        # The descriptor's name holds no characters that DuckDB would take for a glob.
        with path.open("rb") as file:
            name = f"/proc/{os.getpid()}/fd/{file.fileno()}"
            with duckdb.connect(config=_SETTINGS) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute("SET allowed_paths = [?]", [name])
                connection.execute("SET enable_external_access = false")
                connection.execute("SET lock_configuration = true")
                connection.execute(f"SELECT * FROM {reader}", [name])  # noqa: S608 - fixed text
                names = [str(column[0]) for column in connection.description or ()]
                _check_names(path, names)
                while batch := connection.fetchmany(_BATCH_ROWS):
                    for record in batch:
                        yield _record(path, names, record)
    except (duckdb.Error, OSError) as error:
        raise KernelError("MAML505", f"'{path.name}': {_reason(error)}") from None


def _check_names(path: Path, names: Sequence[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise KernelError("MAML505", f"'{path.name}' has the column '{doubled[0]}' twice")


def _record(path: Path, names: Sequence[str], record: Sequence[object]) -> dict[str, JSONValue]:
    row = {name: _as_json(path, name, value) for name, value in zip(names, record, strict=True)}
    try:
        normalise(row)
    except NotCanonicalError as error:
        raise KernelError("MAML505", f"'{path.name}': {error}") from None
    return row


def _as_json(path: Path, name: str, value: Any) -> JSONValue:
    """A value as DuckDB gives it to Python, as §4 writes it."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime():
            utc = value.astimezone(UTC) if value.tzinfo else value
            return utc.replace(tzinfo=None).isoformat() + "Z"
        case date() | time():
            return value.isoformat()
        case list() | tuple():
            return [_as_json(path, name, item) for item in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _as_json(path, name, item) for key, item in value.items()}
    raise KernelError(
        "MAML505", f"column '{name}' of '{path.name}' has values of type {type(value).__name__}"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    first = (str(error).splitlines() or [""])[0]
    return first[:1].lower() + first[1:]
