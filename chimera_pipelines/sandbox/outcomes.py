"""How a call into a sandbox ends: one type an outcome, and limits are named."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from chimera_pipelines.digest import JSONValue


class Limit(StrEnum):
    """What a session may use up."""

    WALL = "wall"
    CPU = "cpu"
    MEMORY = "memory"
    OUTPUT = "output"
    PROCESSES = "processes"
    FRAME = "frame"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Bytes that cross beside the JSON.

    Attributes:
        media: `application/x-npy` (NumPy format 1.0, C order, little-endian) or
            `application/octet-stream`.
        data: the bytes.
    """

    media: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the stranger's code in a traceback, outermost first in `Raised.frames`.

    Attributes:
        line: 1-based within the block's source.
        column: 1-based, in code points.
        source: text of the line.
    """

    block: str
    function: str
    line: int
    column: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Returned:
    """The call returned a value that has a JSON form.

    `{"$attachment": i}` inside `value` stands for `attachments[i]`.
    """

    value: JSONValue
    attachments: tuple[Attachment, ...] = ()
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Raised:
    """The code raised; place and frames are those of the stranger's code alone."""

    kind: str
    message: str
    block: str | None = None
    line: int | None = None
    column: int | None = None
    frames: tuple[Frame, ...] = ()
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class NotJSON:
    """The returned value has no JSON form; `path` says where in it (`$.rows[3].x`)."""

    message: str
    path: str
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """A limit ended the session or refused what it asked for.

    Attributes:
        allowed: the limit, in `unit` (`s`, `bytes` or `processes`).
    """

    limit: Limit
    allowed: float
    unit: str
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process ended, or answered with no valid frame.

    Attributes:
        signal: name of the signal (`SIGSEGV`), `SIGSYS (refused system call)`, `malformed answer`,
            or None where it exited.
        exit_code: exit status, None where a signal ended it.
        block: block whose code ran, as far as the interpreter could still say.
        line: 1-based line within that block, likewise.
    """

    signal: str | None
    exit_code: int | None
    stdout: str = ""
    stderr: str = ""
    block: str | None = None
    line: int | None = None


Outcome: TypeAlias = Returned | Raised | NotJSON | LimitExceeded | Crashed
