"""Raw shots and detector error models in files, read and checked.

Shots are in stim's formats: `b8`, for each shot ceil(bits / 8) bytes, the first bit lowest, unused
bits 0; `01`, a line of the characters 0 and 1 for each shot (docs/formats/shots.md). They are read
in pieces, so a file may be larger than memory. What is wrong is told with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import stim

from chimera_pipelines.errors import ChimeraError, Where
from chimera_pipelines.qec.decoders import Packed
from chimera_pipelines.qec.projection import symptoms

Form = Literal["b8", "01"]
MAX_BITS: Final = 1 << 20
MAX_MODEL_BYTES: Final = 1 << 28
PIECE_BYTES: Final = 1 << 22
_ROWS: Final = 2
_CHANCE: Final = re.compile(r"error(?:\[[^\]]*\])?\(([^)]*)\)")


class ShotsError(ChimeraError):
    """CHIM796: shots or a detector error model that are not what they should be."""


def parse_model(text: str, *, file: str | None = None) -> stim.DetectorErrorModel:
    """The detector error model of a text.

    Raises:
        ShotsError: CHIM796 at the line that cannot be read, whose probability is none, or whose
            error flips an observable and no detector.
    """
    if not isinstance(text, str):
        raise ShotsError(
            "CHIM796",
            f"a detector error model of type {type(text).__name__}",
            hint="the text of a .dem file",
        )
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip().startswith("error"):
            _check_error(line, Where(file, number, len(line) - len(line.lstrip()) + 1))
    try:
        return stim.DetectorErrorModel(text)
    except (ValueError, IndexError) as error:
        where = next(filter(None, (_unreadable(line) for line in lines)), None)
        at = 1 + next((n for n, line in enumerate(lines) if _unreadable(line)), len(lines) - 1)
        raise ShotsError(
            "CHIM796",
            f"no detector error model: {where or _first_line(error)}",
            where=Where(file, max(1, at)),
            hint="stim's .dem format; blocks end with '}'",
        ) from error


def read_model(path: Path) -> stim.DetectorErrorModel:
    """The detector error model in a file.

    Raises:
        ShotsError: CHIM796 as `parse_model`, or when the file cannot be read.
    """
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise _unread(path, f"{path.stat().st_size} bytes are more than {MAX_MODEL_BYTES}")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(path, str(error)) from error
    return parse_model(text, file=str(path))


def read_shots(path: Path, bits: int, *, form: Form | None = None) -> Iterator[Packed]:
    """Shots of a file in pieces, uint8[shots, ceil(bits / 8)], the first bit lowest.

    Args:
        path: the file.
        bits: of a shot.
        form: "b8" or "01"; None: by the file's suffix.

    Raises:
        ShotsError: CHIM796 with line and column (`01`) or shot and byte (`b8`) of what is wrong.
    """
    form = form or _suffix(path)
    if not 1 <= bits <= MAX_BITS:
        raise ShotsError(
            "CHIM796", f"shots of {bits!r} bits", where=Where(str(path)), hint=f"1 to {MAX_BITS}"
        )
    try:
        yield from (_binary if form == "b8" else _text)(path, bits)
    except OSError as error:
        raise _unread(path, error.strerror or str(error)) from error


def packed_from(shots: Any, bits: int, named: str) -> Packed:
    """Shots in memory as uint8[shots, ceil(bits / 8)].

    Args:
        shots: 0 and 1 in rows of `bits`, or the bytes of a `b8` file.
        bits: of a shot.
        named: what the shots are, for errors.

    Raises:
        ShotsError: CHIM796 for rows of another length, other numbers, or stray bits.
    """
    width = -(-bits // 8)
    if isinstance(shots, bytes | bytearray | memoryview):
        raw = np.frombuffer(shots, np.uint8)
        if not width or raw.size % width:
            raise _no_rows(named, f"{raw.size} bytes for shots of {bits} bits")
        piece = raw.reshape(-1, width)
        if (piece[:, -1] & _unused(bits)).any():
            raise _no_rows(named, f"bits set behind bit {bits}")
        return piece
    try:
        rows = np.asarray(shots)
    except ValueError as error:
        raise _no_rows(named, "rows of different lengths") from error
    if rows.ndim != _ROWS or rows.shape[1] != bits or rows.dtype.kind not in "bui":
        raise _no_rows(named, f"{rows.dtype}{list(rows.shape)}, not 0 and 1 of [shots, {bits}]")
    if ((rows != 0) & (rows != 1)).any():
        raise _no_rows(named, "numbers that are not 0 or 1")
    return np.packbits(rows.astype(np.bool_), axis=1, bitorder="little")


def _binary(path: Path, bits: int) -> Iterator[Packed]:
    width = -(-bits // 8)
    size, unused = path.stat().st_size, _unused(bits)
    if size % width:
        raise ShotsError(
            "CHIM796",
            f"{size} bytes are no whole number of shots of {width} bytes ({bits} bits)",
            where=Where(str(path)),
            hint="the file was cut short, or holds shots of another model",
        )
    start = 0
    with path.open("rb") as file:
        while data := file.read(max(1, PIECE_BYTES // width) * width):
            piece = np.frombuffer(data, np.uint8).reshape(-1, width)
            stray = np.flatnonzero(piece[:, -1] & unused)
            if stray.size:
                shot = start + int(stray[0])
                raise ShotsError(
                    "CHIM796",
                    f"shot {shot} (byte {(shot + 1) * width - 1}) has bits set behind bit {bits}",
                    where=Where(str(path)),
                    hint="the file holds shots of another model",
                )
            start += len(piece)
            yield piece


def _text(path: Path, bits: int) -> Iterator[Packed]:
    rows = list[bytes]()
    with path.open("rb") as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_BITS + 3), b""), start=1):
            line = raw.rstrip(b"\r\n")
            wrong = re.search(rb"[^01]", line)
            if wrong or len(line) != bits:
                column = wrong.start() + 1 if wrong else min(len(line), bits) + 1
                raise ShotsError(
                    "CHIM796",
                    f"a shot with {line[column - 1 : column]!r}"
                    if wrong
                    else f"a shot of {len(line)} bits, not {bits}",
                    where=Where(str(path), number, column),
                    hint="a line of 0 and 1 for each shot, one character a bit",
                )
            rows.append(line)
            if len(rows) * bits >= PIECE_BYTES:
                yield _packed(rows)
                rows = []
    if rows:
        yield _packed(rows)


def _packed(rows: list[bytes]) -> Packed:
    bits = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1) & 1
    return np.packbits(bits, axis=1, bitorder="little")


def _check_error(line: str, where: Where) -> None:
    given = _CHANCE.match(line.strip())
    try:
        chance = float(given[1]) if given else None
    except ValueError:
        chance = None
    if chance is not None and not 0 <= chance <= 1:
        raise ShotsError(
            "CHIM796",
            f"an error of probability '{given[1] if given else ''}'",
            where=where,
            hint="probabilities are numbers from 0 to 1",
        )
    if _unreadable(line):
        return  # told when the whole is read
    for (detectors, observables), one in symptoms(stim.DetectorErrorModel(line)).items():
        if observables and not detectors and one > 0:
            raise ShotsError(
                "CHIM796",
                f"'{line.strip()}' flips an observable and no detector",
                where=where,
                hint="no decoder can be right about it: declare the detectors that see it",
            )


def _unreadable(line: str) -> str | None:
    """What is wrong with a line by itself; beginnings and ends of blocks are not judged."""
    text = line.split("#", maxsplit=1)[0].strip()
    if text == "}" or (text.startswith("repeat") and text.endswith("{")):
        return None
    try:
        stim.DetectorErrorModel(text)
    except (ValueError, IndexError) as error:
        return _first_line(error)
    return None


def _unused(bits: int) -> int:
    """Bits of a shot's last byte that stand for nothing."""
    return 0xFF & ~((1 << ((bits - 1) % 8 + 1)) - 1)


def _no_rows(named: str, why: str) -> ShotsError:
    return ShotsError("CHIM796", f"{named}: {why}", hint="a row of 0 and 1 for each shot")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _suffix(path: Path) -> Form:
    if path.suffix not in (".b8", ".01"):
        raise ShotsError(
            "CHIM796",
            f"shots in a file '{path.suffix}'",
            where=Where(str(path)),
            hint="name the form: 'b8' or '01'",
        )
    return "b8" if path.suffix == ".b8" else "01"


def _unread(path: Path, why: str) -> ShotsError:
    return ShotsError(
        "CHIM796", f"cannot be read: {why}", where=Where(str(path)), hint="name a readable file"
    )
