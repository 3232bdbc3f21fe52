"""Reading a worker's answers: a stranger may have written them, so every part is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.sandbox.frames import Message
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.outcomes import (
    Crashed,
    Frame,
    Limit,
    LimitExceeded,
    NotJSON,
    Outcome,
    Raised,
    Returned,
)

_MAX_TEXT = 8192
_MAX_FRAMES = 64
_MAX_LINE = 10_000_000
# what Rust and C++ say before they abort for want of memory
_MEMORY_ABORT = re.compile(r"memory allocation of \d+ bytes failed|std::bad_alloc")
# the most recent call comes first in what faulthandler writes
_FAULT_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d{1,9}) in ', re.MULTILINE)


def read(message: Message, number: int, limits: Limits, output: tuple[str, str]) -> Outcome | None:
    """The outcome that an answer tells, None if it is no answer to request `number`."""
    match message.head if message.head.get("id") == number else {}:
        case {"outcome": "returned", "value": value}:
            return Returned(_json(value), message.attachments, *output)
        case {"outcome": "raised", "kind": str(kind), "message": str(text), "frames": list(listed)}:
            return _raised(kind, text, listed, output)
        case {"outcome": "not_json", "message": str(text), "path": str(path)}:
            return NotJSON(text[:_MAX_TEXT], path[:_MAX_TEXT], *output)
        case {"outcome": "limit", "limit": "memory"}:
            return LimitExceeded(Limit.MEMORY, limits.memory_bytes, "bytes", *output)
        case {"outcome": "limit", "limit": "processes"}:
            return LimitExceeded(Limit.PROCESSES, limits.processes, "processes", *output)
    return None


def _json(value: object) -> JSONValue:
    return value  # type: ignore[return-value]  # json.loads of a frame makes nothing else


def _raised(
    kind: str, message: str, listed: list[object], output: tuple[str, str]
) -> Raised | None:
    found: list[Frame] = []
    for item in listed[-_MAX_FRAMES:]:
        match item:
            case [str(block), str(function), int(line), None | int() as column, str(source)] if (
                0 < line < _MAX_LINE and (column is None or 0 < column < _MAX_LINE)
            ):
                found.append(Frame(block[:256], function[:256], line, column, source[:_MAX_TEXT]))
            case _:
                return None
    last = found[-1] if found else None
    return Raised(
        kind=kind[:256],
        message=message[:_MAX_TEXT],
        block=last.block if last else None,
        line=last.line if last else None,
        column=last.column if last else None,
        frames=tuple(found),
        stdout=output[0],
        stderr=output[1],
    )


def tells_of_memory(signal: str | None, stderr: str) -> bool:
    """Whether a library aborted because it got no memory."""
    return signal == "SIGABRT" and bool(_MEMORY_ABORT.search(stderr))


def crash(
    signal: str | None,
    code: int | None,
    output: tuple[str, str],
    files: Mapping[str, tuple[str, int]],
) -> Crashed:
    """The crash, with the line on which the interpreter says it was.

    Args:
        signal: name of the signal that ended it.
        code: exit status otherwise.
        output: stdout and stderr.
        files: block and first line of each file name that blocks were loaded under.
    """
    block: str | None = None
    line: int | None = None
    for name, number in _FAULT_FRAME.findall(output[1]) if signal else ():
        if name in files:
            block, first_line = files[name]
            line = max(1, int(number) - first_line + 1)
            break
    if signal == "SIGSYS":
        signal = "SIGSYS (refused system call)"
    return Crashed(signal, code, *output, block, line)
