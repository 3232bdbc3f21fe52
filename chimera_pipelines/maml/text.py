"""Bytes as text: size, encoding, line ends, hidden characters (MAML.md §1; 101-104).

Size comes first, since nothing further is read of what is too large; then UTF-8, since nothing can
be said of text that is none. What is found is independent of the document's structure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chimera_pipelines.maml.characters import HIDDEN
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.history import BOM, SplitText, as_read, split
from chimera_pipelines.maml.lines import LineIndex

MAX_BODY: Final = 512 * 1024
MAX_FRONT: Final = 64 * 1024

# History is rotated at 4 MiB (MAML.md §8); one of more lines was written by no gateway.
MAX_HISTORY_LINES: Final = 200_000

_OPENS, _CLOSES = b"---\n", b"\n---\n"
_TOP = Span.at(1, 1)


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text as every rule sees it.

    Attributes:
        parts: the bytes around the History line.
        text: all of it; empty when it could not be read.
        body: what stands above History, characters of MAML103 as U+FFFD.
        readable: false after 101 and 104.
    """

    parts: SplitText
    text: str
    body: str
    diagnostics: tuple[Diagnostic, ...]
    readable: bool = True


def too_large(message: str) -> Diagnostic:
    """MAML104, which stands at the very top."""
    hint = "move data to a dataset, and prose to another document"
    return Diagnostic("MAML104", Severity.ERROR, _TOP, message, hint)


def read_bytes(data: bytes) -> Text:
    """The text of a file and what is wrong with it as text."""
    parts = split(data)
    plain = as_read(data)
    # Without History parts.body may hold an LF or two that the file lacks, for the sake of `doc`.
    above = plain if parts.history_line is None else parts.body
    oversize = _oversize(above, parts.tail)
    if oversize is not None:
        return Text(parts, "", "", (oversize,), readable=False)
    found = _line_ends(data)
    try:
        text = plain.decode()
    except UnicodeDecodeError as error:
        bad = _not_utf8(plain, error.start)
        return Text(parts, "", "", (*found, bad), readable=False)
    body = text if above is plain else above.decode()
    hidden = _hidden(body)
    if hidden:
        body = HIDDEN.sub("\ufffd", body)
    return Text(parts, text, body, (*found, *hidden))


def _oversize(above: bytes, tail: bytes) -> Diagnostic | None:
    size = len(above)
    if tail.count(b"\n") > MAX_HISTORY_LINES:
        return too_large(f"more than {MAX_HISTORY_LINES} lines of History")
    if size > MAX_BODY:
        return too_large(f"{size} bytes above History; at most {MAX_BODY} are allowed")
    if above.startswith(_OPENS):
        front = above.find(_CLOSES, len(_OPENS) - 1) + len(_CLOSES)
        if front > MAX_FRONT:
            return too_large(f"{front} bytes of front matter; at most {MAX_FRONT} are allowed")
    return None


def _line_ends(data: bytes) -> list[Diagnostic]:
    found = []
    if data.startswith(BOM):
        found.append(_warning(1, "byte order mark"))
    crlf = data.find(b"\r\n")
    if crlf >= 0:
        found.append(_warning(data.count(b"\n", 0, crlf) + 1, "line ends with CR LF"))
    return found


def _warning(line: int, message: str) -> Diagnostic:
    hint = "`chimera lint --fix` rewrites it"
    return Diagnostic("MAML102", Severity.WARNING, Span.at(line, 1), message, hint, fixable=True)


def _not_utf8(data: bytes, start: int) -> Diagnostic:
    above = data[:start].decode()
    line, column = LineIndex(above).place(len(above))
    message = f"byte 0x{data[start]:02x} is not utf-8"
    return Diagnostic(
        "MAML101", Severity.ERROR, Span.at(line, column), message, "save the file as utf-8"
    )


def _hidden(body: str) -> list[Diagnostic]:
    """MAML103: the first hidden character of each line."""
    found: list[Diagnostic] = []
    lines = LineIndex(body)
    last = 0
    for match in HIDDEN.finditer(body):
        line, column = lines.place(match.start())
        if line == last:
            continue
        last = line
        message = f"character U+{ord(match[0]):04X} shows nothing or turns direction"
        found.append(
            Diagnostic("MAML103", Severity.ERROR, Span.at(line, column), message, "remove it")
        )
    return found
