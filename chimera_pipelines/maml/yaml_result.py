"""What reading a yaml block gives: a value, places, and problems with their codes (MAML.md §2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Path, Places

Kind: TypeAlias = Literal["syntax", "duplicate", "feature", "depth", "number", "key", "dialect"]
Dialect: TypeAlias = Literal["front", "context", "dependencies", "schema"]

_CODES: Final[dict[Dialect, dict[Kind, str]]] = {
    "front": {"duplicate": "MAML204", "feature": "MAML205", "dialect": "MAML211"},
    "context": {"duplicate": "MAML204", "feature": "MAML205", "dialect": "MAML211"},
    "dependencies": {"dialect": "MAML211"},
    "schema": {"dialect": "MAML211"},
}
_OTHER_CODE: Final[dict[Dialect, str]] = {
    "front": "MAML203",
    "context": "MAML203",
    "dependencies": "MAML402",
    "schema": "MAML501",
}


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """One thing that the subset does not allow. Kind `dialect` is a warning, all else an error."""

    kind: Kind
    code: str
    span: Span
    message: str
    hint: str | None = None

    def diagnostic(self) -> Diagnostic:
        """The finding that `chimera check` shows."""
        severity = Severity.WARNING if self.kind == "dialect" else Severity.ERROR
        return Diagnostic(
            self.code, severity, self.span, self.message, self.hint, fixable=self.kind == "dialect"
        )


@dataclass(frozen=True, slots=True)
class YamlResult:
    """A read block.

    Attributes:
        value: the plain JSON value; None where nothing was read.
        places: spans of keys and values by path.
        problems: in the order of the text.
        unread: paths whose value is not known; `value` holds None there.
        incomplete: paths of mappings that may lack keys, after a merge key or an unusable one.
        ok: false when the text does not parse, so that nothing of it was read.
    """

    value: JSONValue
    places: Places
    problems: tuple[YamlProblem, ...]
    unread: frozenset[Path] = frozenset()
    incomplete: frozenset[Path] = frozenset()
    ok: bool = True

    @property
    def errors(self) -> tuple[YamlProblem, ...]:
        """The problems that are no mere warnings."""
        return tuple(p for p in self.problems if p.kind != "dialect")


def problem_code(kind: Kind, dialect: Dialect) -> str:
    """The code of a problem in a block of this kind."""
    return _CODES[dialect].get(kind, _OTHER_CODE[dialect])
