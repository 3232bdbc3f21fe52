"""The text of `## History`: where it begins, how it is cut into entries (MAML.md §1, §8).

Pure functions over bytes. A file is split into the body, which `doc` hashes, and the tail below the
last line that is exactly `## History`; the tail is cut into entries; every entry is judged alone
(maml/history_entry.py) and by its time (MAML807).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chimera_pipelines.digest import sha256
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.history_entry import Entry, read_entry

HEADING = b"## History"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SplitText:
    """A file around its History line, BOM dropped and CRLF read as LF.

    Attributes:
        body: every byte before the History line; in a file without one, completed as the writer
            would complete it, so that `doc` is the same before and after.
        history_line: line number of the heading, None without one.
        tail: every byte below the heading.
    """

    body: bytes
    history_line: int | None
    tail: bytes


def as_read(data: bytes) -> bytes:
    """The bytes as every rule sees them: one leading BOM absent, CRLF as LF (MAML.md §1)."""
    return data.removeprefix(BOM).replace(b"\r\n", b"\n")


def split(data: bytes) -> SplitText:
    """Cut a file at the last line that is exactly `## History`."""
    text = as_read(data)
    if text.endswith(b"\n" + HEADING) or text == HEADING:
        at = len(text) - len(HEADING)
    else:
        at = text.rfind(b"\n" + HEADING + b"\n") + 1
        if at == 0 and not text.startswith(HEADING + b"\n"):
            return SplitText(completed(text), None, b"")
    line = text.count(b"\n", 0, at) + 1
    return SplitText(text[:at], line, text[at + len(HEADING) + 1 :])


def completed(text: bytes) -> bytes:
    """A text as the writer has it above History: a final LF, and a blank line."""
    if text and not text.endswith(b"\n"):
        text += b"\n"
    return text if text == b"\n" or text.endswith(b"\n\n") else text + b"\n"


def doc_digest(data: bytes) -> str:
    """`doc` of a file: SHA-256 of every byte before its History line."""
    return sha256(split(data).body)


def parse_history(data: bytes | str) -> tuple[Entry, ...]:
    """The entries of a whole file, document or sidecar."""
    parts = split(data.encode() if isinstance(data, str) else data)
    return parse_tail(parts.tail, (parts.history_line or 0) + 1)


def parse_tail(tail: bytes, first_line: int) -> tuple[Entry, ...]:
    """The entries below a heading; a blank line above the first and any at the end are allowed."""
    return tuple(read_entry(at, *cut) for at, cut in enumerate(cut_tail(tail, first_line)))


def cut_tail(tail: bytes, first_line: int) -> Iterator[tuple[int, bytes]]:
    """The entries below a heading, not read: line number and exact bytes of each."""
    if tail.endswith(b"\n\n"):
        tail = tail.rstrip(b"\n") + b"\n"
    if tail.startswith(b"\n"):
        tail, first_line = tail[1:], first_line + 1
    yield from _cut(tail, first_line)


def parse_entries(data: bytes, first_line: int = 1) -> tuple[Entry, ...]:
    """The entries of bytes that hold nothing else, as an archive does."""
    found: list[Entry] = []
    for line, raw in _cut(data, first_line):
        found.append(read_entry(len(found), line, raw))
    return tuple(found)


def _cut(data: bytes, line: int) -> Iterator[tuple[int, bytes]]:
    """Entries with line numbers: a `- ` line takes a next line that starts with two spaces."""
    lines = _lines(data)
    at = 0
    while at < len(lines):
        first = lines[at]
        paired = first.startswith(b"- ") and at + 1 < len(lines) and lines[at + 1][:2] == b"  "
        yield line + at, first + lines[at + 1] if paired else first
        at += 2 if paired else 1


def _lines(data: bytes) -> list[bytes]:
    """Lines with their ends; LF alone ends one, not a lone CR as `splitlines` has it."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def history_diagnostics(entries: Sequence[Entry]) -> list[Diagnostic]:
    """What `check` reports of History: malformed entries (801) and times that run back (807)."""
    found = []
    above: int | None = None
    for entry in entries:
        width = max(1, len(entry.raw.partition(b"\n")[0].decode(errors="replace")))
        span = Span.at(entry.line, 1, width)
        if entry.problem:
            found.append(Diagnostic("MAML801", Severity.ERROR, span, entry.problem))
        if entry.time_ns is None:
            continue
        if above is not None and entry.time_ns < above:
            message = f"'{entry.timestamp}' is earlier than the entry above"
            found.append(Diagnostic("MAML807", Severity.WARNING, span, message))
        above = entry.time_ns
    return found
