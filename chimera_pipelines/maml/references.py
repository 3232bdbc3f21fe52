"""References: a whole scalar `$root.path` anywhere under a kernel's `inputs` (MAML.md §3).

`$$` at the start is a literal `$`; there is no interpolation inside texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.document import Path

RUN_INPUTS, CONTEXT, PARTITION = "input", "context", "partition"
NOT_KERNELS = frozenset({RUN_INPUTS, CONTEXT, PARTITION})

_REFERENCE = re.compile(
    r"\$(?P<root>[A-Za-z_][A-Za-z0-9_]*)"
    r"(?P<path>(?:\.[A-Za-z_][A-Za-z0-9_]*|\[(?:0|[1-9][0-9]*)\])*)\Z"
)
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]")
_LONGEST = 4096


class ReferenceSyntaxError(ValueError):
    """Text begins with `$` and is no reference (MAML409)."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A reference's root and the names and indices after it."""

    root: str
    path: Path

    def __str__(self) -> str:
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"${self.root}{''.join(steps)}"


def is_reference(text: str) -> bool:
    """Whether a scalar is meant as a reference."""
    return text.startswith("$") and not text.startswith("$$")


def literal(text: str) -> str:
    """The text that a scalar which is no reference stands for."""
    return text[1:] if text.startswith("$$") else text


def parse(text: str) -> Parsed:
    """The reference that a scalar is.

    Raises:
        ReferenceSyntaxError: it is none; the message says why.
    """
    match = _REFERENCE.match(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ReferenceSyntaxError(f"'{text[:60]}' is not '$root.path'")
    path: Path = tuple(name or int(index) for name, index in _STEP.findall(match["path"]))
    root = match["root"]
    if root in (RUN_INPUTS, CONTEXT) and not (path and isinstance(path[0], str)):
        raise ReferenceSyntaxError(f"'${root}' needs a name: '${root}.name'")
    if root == PARTITION and path:
        raise ReferenceSyntaxError("'$partition' has no parts")
    return Parsed(root, path)


def scalars(inputs: Mapping[str, JSONValue]) -> Iterator[tuple[Path, str]]:
    """Every text under `inputs` that is meant as a reference, with its place, in order."""
    waiting: list[tuple[Path, JSONValue]] = [((name,), value) for name, value in inputs.items()]
    waiting.reverse()
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            if is_reference(value):
                yield place, value
        elif isinstance(value, list):
            waiting += [((*place, n), item) for n, item in enumerate(value)][::-1]
        elif isinstance(value, dict):
            waiting += [((*place, key), item) for key, item in value.items()][::-1]
