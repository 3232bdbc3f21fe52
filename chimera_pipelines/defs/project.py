"""`MamlProject`: a folder of documents, compiled.

`prepare` reads every `*.maml.md` of the folder and keeps each plan as `data/plans/<digest>.json`,
so that code server and run workers run the same thing. A document with errors never breaks the code
location: it comes back as a `BadDocument` that says what is wrong and becomes an asset of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import ChimeraError, DocumentError
from chimera_pipelines.scheduling.plan import Plan, load_plan, read_plan
from chimera_pipelines.settings import settings

SUFFIX = ".maml.md"


@dataclass(frozen=True, slots=True)
class BadDocument:
    """A file that is no runnable document.

    Attributes:
        slug: unique among the project's plans and bad documents.
        error: the `error` object of CLI.md.
        diagnostics: the diagnostic objects of CLI.md; empty when the file could not be read at all.
    """

    path: Path
    slug: str
    error: dict[str, Any]
    diagnostics: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """A plan and its digest, computed once."""

    plan: Plan
    digest: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a project's folder holds."""

    plans: tuple[PreparedPlan, ...]
    bad: tuple[BadDocument, ...]


def make_folders() -> None:
    """Make `documents/`, `inbox/` and `quarantine/` where they are missing."""
    for name in ("documents", "inbox", "quarantine"):
        (settings().root / name).mkdir(parents=True, exist_ok=True)


def plan_store() -> Path:
    """Where plans are kept."""
    return settings().root / "plans"


# A plan's digest leaves out where its document lies, and a stored plan says where it lay when it
# was stored. Whoever has made assets of it in this process knows better.
_known: dict[str, Plan] = {}


def remember(prepared: PreparedPlan) -> None:
    """Let `stored_plan` find this very plan, with the place of its document."""
    _known[prepared.digest] = prepared.plan


def stored_plan(digest: str) -> Plan:
    """A prepared plan by its digest.

    Raises:
        FileNotFoundError: the plan was never prepared under this `CHIMERA_HOME`.
    """
    return _known[digest] if digest in _known else read_plan(digest, plan_store())


@dataclass(frozen=True, slots=True)
class MamlProject:
    """A folder of documents; the default is `CHIMERA_HOME/documents`."""

    documents: Path = field(default_factory=lambda: settings().documents)

    def paths(self) -> tuple[Path, ...]:
        """The documents, sorted by name."""
        found = self.documents.glob(f"*{SUFFIX}")
        return tuple(sorted(path for path in found if not path.name.startswith(".")))

    def prepare(self, select: Iterable[str] | None = None) -> Prepared:
        """Compile every document, or those whose slug is in `select`; plans are stored."""
        wanted = None if select is None else set(select)
        plans: dict[str, PreparedPlan] = {}
        ids: dict[str, Path] = {}
        bad: list[BadDocument] = []
        for path in self.paths():
            try:
                plan = load_plan(path, plan_store())
                _refuse_twin(plan, path, plans, ids)
            except ChimeraError as error:
                bad.append(_bad(path, error))
            except Exception as error:  # noqa: BLE001 - whatever a document does to the compiler, others load
                inner = DocumentError("CHIM601", f"cannot compile: {type(error).__name__}: {error}")
                bad.append(_bad(path, inner))
            else:
                ids[plan.document.id] = path
                plans[plan.slug] = PreparedPlan(plan, plan.digest)
        chosen = [p for slug, p in plans.items() if wanted is None or slug in wanted]
        return Prepared(tuple(chosen), tuple(b for b in bad if wanted is None or b.slug in wanted))


def _refuse_twin(
    plan: Plan, path: Path, plans: dict[str, PreparedPlan], ids: dict[str, Path]
) -> None:
    if plan.slug in plans:
        twin = Path(plans[plan.slug].plan.document.path).name
        raise DocumentError(
            "CHIM602",
            f"'{path.name}' and '{twin}' have one slug, '{plan.slug}'",
            hint="rename one of them",
        )
    if plan.document.id in ids:
        raise DocumentError(
            "CHIM603",
            f"'{path.name}' and '{ids[plan.document.id].name}' have one id, '{plan.document.id}'",
            hint="a copy needs an id of its own",
        )


def _bad(path: Path, error: ChimeraError) -> BadDocument:
    from chimera_pipelines.maml.names import slug

    diagnostics: tuple[dict[str, Any], ...] = ()
    if error.code.startswith("MAML"):
        from chimera_pipelines.maml.reader import read_file

        diagnostics = tuple(d.as_json() for d in read_file(path).diagnostics)
    # The file's name keeps two bad documents, or a bad one and a good one of one slug, apart.
    unique = f"{slug(path.name)}_{sha256(path.name.encode()).removeprefix('sha256:')[:6]}"
    return BadDocument(path, unique, error.as_json(), diagnostics)
