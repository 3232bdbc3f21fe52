"""Blocks of `## Code_Blocks` and interfaces of `## Verification`: language and name (310-313)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import LANGUAGES, Block, Fence, Language
from chimera_pipelines.maml.fences import ReadFence
from chimera_pipelines.maml.identifiers import name_problem

MAIN: Final = "main"

_OTHER_NAMES: Final[Mapping[str, Language]] = {
    "py": "python",
    "python3": "python",
    "openqasm": "qasm",
    "qasm3": "qasm",
    "ml": "ocaml",
    "duckdb": "sql",
}


def read_blocks(fences: Sequence[ReadFence]) -> tuple[dict[str, Block], list[Diagnostic]]:
    """Blocks by name, in the order of the document.

    A fence of no or another language is no block. A block with a bad `{#name}` is still there, so
    that nothing is said of the graph that only follows from its name.
    """
    found: list[Diagnostic] = []
    runnable: list[tuple[ReadFence, Language]] = []
    for fence in fences:
        language = _language(fence.fence)
        if isinstance(language, Diagnostic):
            found.append(language)
        else:
            runnable.append((fence, language))
    blocks: dict[str, Block] = {}
    for fence, language in runnable:
        name, problem = _name(fence, alone=len(runnable) == 1)
        if name is not None and name in blocks:
            problem = _bad_name(fence, f"second block '{name}'", "give it another name")
        elif name is not None:
            blocks[name] = Block(name, language, fence.fence.source, fence.fence)
        found += [problem] if problem else []
    return blocks, found


def read_interfaces(fences: Sequence[ReadFence]) -> tuple[dict[str, Fence], list[Diagnostic]]:
    """Gospel interfaces by the name of the block that they specify."""
    found: list[Diagnostic] = []
    interfaces: dict[str, Fence] = {}
    written = [f for f in fences if f.fence.language == "ocaml"]
    for fence in written:
        name, problem = _name(fence, alone=len(written) == 1)
        if problem is not None and problem.code == "MAML312":
            found.append(problem)
        elif name is None:
            found.append(_bad_name(fence, f"'{fence.attribute}' is not '{{#name}}'", None))
        elif name in interfaces:
            message = f"second interface of '{name}'"
            found.append(Diagnostic("MAML302", Severity.ERROR, fence.fence.span, message))
        else:
            interfaces[name] = fence.fence
    return interfaces, found


def _language(fence: Fence) -> Language | Diagnostic:
    written = fence.language
    for language in LANGUAGES:
        if written == language:
            return language
    if not written:
        return Diagnostic(
            "MAML310", Severity.ERROR, fence.span, "block without a language", _allowed()
        )
    instead = _OTHER_NAMES.get(written.lower())
    near = [instead] if instead else get_close_matches(written.lower(), LANGUAGES, n=1, cutoff=0.8)
    return Diagnostic(
        "MAML311",
        Severity.ERROR,
        fence.language_span,
        f"language '{written}' is not run here",
        f"did you mean '{near[0]}'?" if near else _allowed(),
    )


def _allowed() -> str:
    return f"one of {', '.join(LANGUAGES)}"


def _name(fence: ReadFence, *, alone: bool) -> tuple[str | None, Diagnostic | None]:
    """The block's name, None without one that can be read, and what is wrong with it."""
    if not fence.attribute:
        if alone:
            return MAIN, None
        return None, Diagnostic(
            "MAML312",
            Severity.ERROR,
            fence.fence.span,
            "block without a name",
            "write {#name} after the language",
            fixable=True,
        )
    name = fence.fence.name
    if name is None:
        message = f"'{fence.attribute}' is not '{{#name}}'"
        return None, _bad_name(fence, message, "nothing but {#name} follows the language")
    problem = name_problem(name)
    return name, _bad_name(fence, problem, "choose another name") if problem else None


def _bad_name(fence: ReadFence, message: str, hint: str | None) -> Diagnostic:
    span: Span = fence.fence.name_span or fence.fence.span
    return Diagnostic("MAML313", Severity.ERROR, span, message, hint)
