"""OCaml blocks: what the text alone tells; the toolchain has its say at plan time (MAML.md §4, §6).

A small lexer skips comments and texts, so that names are only looked for in code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from chimera_pipelines.maml.code_records import (
    UNPARSED,
    CodeFacts,
    forbidden,
    no_entry,
    unreadable,
)
from chimera_pipelines.maml.diagnostics import Diagnostic
from chimera_pipelines.maml.document import Block
from chimera_pipelines.maml.lines import LineIndex


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STDLIB: Final = _words(
    "Arg Array ArrayLabels Atomic Bigarray Bool Buffer Bytes BytesLabels Callback Char "
    "Complex Condition Digest Domain Dynarray Effect Either Ephemeron Filename Float Format "
    "Fun Gc Hashtbl In_channel Int Int32 Int64 Lazy Lexing List ListLabels Map Mutex "
    "Nativeint Oo Option Out_channel Parsing Printexc Printf Queue Random Result Scanf "
    "Semaphore Seq Set Stack StdLabels Stdlib String StringLabels Type Uchar Unit Weak "
    "MoreLabels"
)
_FORBIDDEN: Final = frozenset({"Sys", "Obj", "Marshal", "Unix"})
_SKIP = re.compile(
    r"\(\*|\*\)|\"|\{(?P<quote>[a-z_]*)\||'(?:[^'\\\n]|\\(?:[\\\"'ntbr ]|\d{3}|x[0-9a-fA-F]{2}))'"
)
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_RUN = re.compile(r"^let\s+(?:rec\s+)?run\b|^and\s+run\b", re.MULTILINE)
_WORD = re.compile(
    r"(?<![\w'.])(?P<external>external)\b"
    r"|(?<![\w'])(?P<channel>open_(?:in|out)\w*)"
    r"|(?<![\w'.])(?P<module>[A-Z][\w']*)(?=\s*\.\s*[A-Za-z_(\[{])"
    r"|(?<![\w'])(?P<anywhere>Sys|Obj|Marshal|Unix)(?![\w'])"
    r"|(?<![\w'.])(?:open|include)!?\s+(?P<opened>[A-Z][\w']*)"
)
_LOCAL = re.compile(
    r"\bmodule\s+(?:rec\s+)?(?:type\s+)?([A-Z][\w']*)|\(\s*(?:module\s+)?([A-Z][\w']*)\s*:"
)


def inspect_ocaml(block: Block) -> tuple[CodeFacts, list[Diagnostic]]:
    """Facts and findings of an OCaml block. It gets one object of all inputs."""
    code = _without_texts(block.source)
    if isinstance(code, int):
        line = block.source.count("\n", 0, code) + 1
        column = code - (block.source.rfind("\n", 0, code) + 1) + 1
        return UNPARSED, [unreadable(block, line, column, "comment or text is not closed")]
    found = list(_names(block, code))
    has_run = _RUN.search(code) is not None
    if not has_run:
        hint = "let run (json : Yojson.Safe.t) : Yojson.Safe.t = …"
        found.insert(0, no_entry(block, "no function 'run'", hint))
    return CodeFacts("run" if has_run else None), found


def _without_texts(source: str) -> str | int:
    """The source with comments and texts blanked, or where one begins that never ends."""
    pieces: list[str] = []
    kept = at = 0
    while (match := _SKIP.search(source, at)) is not None:
        end = _end(source, match)
        if end is None:
            return match.start()
        pieces.append(source[kept : match.start()])
        pieces.append(re.sub(r"[^\n]", " ", source[match.start() : end]))
        kept = at = end
    return "".join([*pieces, source[kept:]])


def _end(source: str, match: re.Match[str]) -> int | None:
    if match[0] == "(*":
        return _comment_end(source, match.end())
    if match[0] == '"':
        text = _TEXT.match(source, match.start())
        return text.end() if text else None
    if match["quote"] is not None:
        close = source.find(f"|{match['quote']}}}", match.end())
        return None if close < 0 else close + len(match["quote"]) + 2
    return match.end()


def _comment_end(source: str, at: int) -> int | None:
    """Comments nest, and texts inside them are texts."""
    depth = 1
    while depth:
        match = _SKIP.search(source, at)
        if match is None:
            return None
        if match[0] == "(*":
            depth += 1
            at = match.end()
        elif match[0] == "*)":
            depth -= 1
            at = match.end()
        else:
            end = _end(source, match)
            if end is None:
                return None
            at = end
    return at


def _names(block: Block, code: str) -> Iterator[Diagnostic]:
    lines = LineIndex(block.source, block.fence.first_line)
    known = _STDLIB | {"Yojson"} | {a or b for a, b in _LOCAL.findall(code)}
    for match in _WORD.finditer(code):
        kind = str(match.lastgroup)
        name = match[kind]
        span = lines.span(match.start(kind), match.end(kind))
        if kind in ("external", "channel"):
            yield forbidden(span, f"use of '{name}'")
        elif name in _FORBIDDEN or name not in known:
            yield forbidden(span, f"module '{name}'", "Stdlib and Yojson are there")
