"""`chimera verify --against-dagster`: a History beside Dagster's event log (MAML.md §8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from chimera_pipelines.cli.evidence import Evidence, TreeHead, compare

if TYPE_CHECKING:
    from chimera_pipelines.defs.double_trace import Traced
    from chimera_pipelines.tickets.verification import Problem, Verification

Trace: TypeAlias = Callable[[Path, Evidence, "Verification"], "list[Problem]"]


@contextmanager
def tracing(seen: dict[Path, Traced]) -> Iterator[Trace]:
    """What compares one document after the other with the instance of DAGSTER_HOME.

    Args:
        seen: gets what was found, by the document's path.

    Raises:
        UsageError: CHIM609, there is no Dagster home.
    """
    from chimera_pipelines.defs.double_trace import double_trace
    from chimera_pipelines.defs.launch import project_instance
    from chimera_pipelines.maml.names import slug

    with project_instance() as instance:

        def trace(path: Path, found: Evidence, result: Verification) -> list[Problem]:
            traced = double_trace(
                instance,
                document_id=found.document_id,
                slug=slug(path.name),
                judged=result.judged,
                line=found.line,
            )
            seen[path] = traced
            problems = list(traced.problems)
            if traced.logged:  # the tree head behind the last ticket covers all entries above it
                last = traced.logged[-1]
                head = TreeHead(found.document_id, last.seq + 1, last.root)
                problems += compare(found, head)
            return problems

        yield trace
