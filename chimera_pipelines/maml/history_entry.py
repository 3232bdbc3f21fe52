"""One entry of `## History`: its grammar, read from bytes and written to them (MAML.md §8).

Pure functions. An entry keeps the exact bytes it was read from, because those are what the tree
hashes; what stands where an entry should and is none is kept with its `problem` (MAML801).
Signatures and the chain are the business of `tickets`.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from chimera_pipelines.digest import MAX_INTEGER
from chimera_pipelines.maml.characters import HIDDEN
from chimera_pipelines.timestamps import instant

MAX_NOTE = 2000

# Fields of signed entries, in the only order that is read (MAML.md §8).
FIELDS: Mapping[str, tuple[str, ...]] = {
    "GRANT": ("seq", "run", "by", "gateway", "heads", "expires", "doc", "prev", "key"),
    "TICKET": (
        *("seq", "run", "kernel", "status", "head", "cuda_ns"),
        *("in", "out", "doc", "prev", "key"),
    ),
    "ARCHIVE": ("seq", "file", "edge", "doc", "prev", "key"),
    "KEY": ("seq", "holder", "new", "doc", "prev", "key"),
}
SIGNATURE_BYTES: Mapping[str, int] = {"ML-DSA-44": 2420, "ML-DSA-65": 3309, "ML-DSA-87": 4627}

_SEGMENTS = r"[A-Za-z0-9._~%@:+-]+(?:/[A-Za-z0-9._~%@:+-]+)*"
_HASH = r"sha256:[0-9a-f]{64}"
_HEAD = r"HEAD_[1-4]"
_KEY = r"ML-DSA-(?:44|65|87):[A-Za-z0-9_-]{43}"
_PRINCIPAL = rf"(?:agent|user|role|gateway|head)://{_SEGMENTS}"
_FORMS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(form)
    for name, form in {
        "seq": r"0|[1-9][0-9]{0,15}",
        "run": r"[0-7][0-9A-HJKMNP-TV-Z]{25}",
        "by": _PRINCIPAL,
        "gateway": _PRINCIPAL,
        "heads": rf"{_HEAD}(?:,{_HEAD})*",
        "expires": r"\S+",
        "kernel": r"(?=.{1,48}$)[a-z](?:_?[a-z0-9])*",
        "status": r"ok|failed|unverified|reused",
        "head": _HEAD,
        "cuda_ns": r"-|0|[1-9][0-9]{0,15}",
        "in": _HASH,
        "out": _HASH,
        "doc": _HASH,
        "prev": _HASH,
        "key": _KEY,
        "new": _KEY,
        "holder": rf"gateway://{_SEGMENTS}|head://{_SEGMENTS}/{_HEAD}",
        "file": r"[^\s/\\]{1,200}\.history-[1-9][0-9]{0,8}\.md",
        "edge": rf"{_HASH}(?:,{_HASH})*",
    }.items()
}
_LINE = re.compile(r"- (\S+): \[([A-Z][A-Z_]{0,31})\] (.*)", re.DOTALL)
_SIGNATURE = re.compile(r"  <!-- sig ([A-Za-z0-9_-]+) -->")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a History, or a stretch that stands where one should (`problem` says why).

    Attributes:
        index: its number in its file, from 0.
        line: line number of its first line.
        raw: the exact bytes, line feeds included: the leaf of the tree.
        time_ns: its timestamp in nanoseconds since 1970; None with a problem.
        fields: of a signed entry; empty for notes.
        text: of a note, or the fields as written.
        signature: of a signed entry.
    """

    index: int
    line: int
    raw: bytes
    timestamp: str | None = None
    time_ns: int | None = None
    action: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    signature: bytes | None = None
    problem: str | None = None


class _MalformedError(Exception):
    """What is wrong with an entry, for its `problem`."""


def read_entry(index: int, line: int, raw: bytes) -> Entry:
    """The entry that bytes are, or its `problem`; `index` and `line` are its place in its file."""
    try:
        return _parsed(index, line, raw)
    except _MalformedError as error:
        return Entry(index, line, raw, problem=str(error))


def _parsed(index: int, line: int, raw: bytes) -> Entry:
    if not raw.endswith(b"\n"):
        raise _MalformedError("the last line has no line feed")
    try:
        head, _, below = raw[:-1].decode().partition("\n")
    except UnicodeDecodeError:
        raise _MalformedError("not UTF-8") from None
    match = _LINE.fullmatch(head)
    if match is None:
        raise _MalformedError("not an entry: expected '- <time>: [ACTION] <text>'")
    stamp, action, text = match.groups()
    time_ns = instant(stamp)
    if time_ns is None:
        raise _MalformedError(f"'{stamp}' is not a time in UTC such as 2026-08-01T09:00:00Z")
    if action not in FIELDS:
        _check_note(action, text, below)
        return Entry(index, line, raw, stamp, time_ns, action, text=text)
    if action == "ARCHIVE" and index:
        raise _MalformedError("ARCHIVE is not the first entry")
    fields = _fields(action, text)
    signature = _signature(below, fields["key"])
    return Entry(index, line, raw, stamp, time_ns, action, fields, text, signature)


def _check_note(action: str, text: str, below: str) -> None:
    if action == "SEAL":
        raise _MalformedError("action 'SEAL' is reserved")
    if below:
        raise _MalformedError(
            f"an entry '{action}' is a note and has one line, without a signature"
        )
    if not text.strip():
        raise _MalformedError("the note has no text")
    if len(text) > MAX_NOTE:
        raise _MalformedError(
            f"the note has {len(text)} characters; at most {MAX_NOTE} are allowed"
        )
    if "<!--" in text:
        raise _MalformedError("the note holds a comment, '<!--'")
    hidden = HIDDEN.search(text)
    if hidden:
        raise _MalformedError(f"the note holds the invisible character U+{ord(hidden[0]):04X}")


def _fields(action: str, text: str) -> dict[str, str]:
    names = FIELDS[action]
    parts = [part.partition("=") for part in text.split(" ")]
    found = tuple(name for name, _, _ in parts)
    if found != names or not all(equals for _, equals, _ in parts):
        raise _MalformedError(f"{action} needs exactly the fields {' '.join(names)}, in that order")
    fields = {name: value for name, _, value in parts}
    for name, value in fields.items():
        check = _MORE.get(name)
        if not _FORMS[name].fullmatch(value) or (check and not check(value)):
            raise _MalformedError(f"field {name} of {action} is malformed: '{value[:80]}'")
    return fields


def _in_order(heads: str) -> bool:
    names = heads.split(",")
    return all(a < b for a, b in pairwise(names))


def _exact(number: str) -> bool:
    return number == "-" or int(number) <= MAX_INTEGER


def _canonical_key(key: str) -> bool:
    return decode_base64url(key.partition(":")[2]) is not None


_MORE: Mapping[str, Callable[[str], bool]] = {
    "heads": _in_order,
    "seq": _exact,
    "cuda_ns": _exact,
    "expires": lambda value: instant(value) is not None,
    "key": _canonical_key,
    "new": _canonical_key,
    "file": lambda value: HIDDEN.search(value) is None,
}


def _signature(below: str, key: str) -> bytes:
    match = _SIGNATURE.fullmatch(below)
    if match is None:
        raise _MalformedError("no signature line '  <!-- sig … -->' below the entry")
    signature = decode_base64url(match[1])
    algorithm = key.partition(":")[0]
    if signature is None or len(signature) != SIGNATURE_BYTES[algorithm]:
        raise _MalformedError(
            f"the signature is not the unpadded base64url of {SIGNATURE_BYTES[algorithm]} bytes"
        )
    return signature


def decode_base64url(text: str) -> bytes | None:
    """Bytes of unpadded, canonical base64url; None for anything else."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return data if encode_base64url(data) == text else None


def encode_base64url(data: bytes) -> str:
    """Unpadded base64url."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def render_line(timestamp: str, action: str, fields: Mapping[str, str]) -> str:
    """The visible line of a signed entry, without its line feed."""
    shown = " ".join(f"{name}={fields[name]}" for name in FIELDS[action])
    return f"- {timestamp}: [{action}] {shown}"


def render_signed(line: str, signature: bytes) -> bytes:
    """The bytes of a signed entry."""
    return f"{line}\n  <!-- sig {encode_base64url(signature)} -->\n".encode()


def render_note(timestamp: str, action: str, text: str) -> bytes:
    """The bytes of a note.

    Raises:
        ValueError: it would not be read back as a note.
    """
    raw = f"- {timestamp}: [{action}] {text}\n".encode()
    problem = read_entry(0, 1, raw).problem if raw.count(b"\n") == 1 else "the note has two lines"
    if problem or action in FIELDS:
        raise ValueError(problem or f"action '{action}' is signed")
    return raw
