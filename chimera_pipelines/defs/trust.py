"""What the History of a document is worth, read afresh from its files and the public keys.

Nothing here trusts the process that wrote it: files and keys are read again, every signature and
the whole chain are verified.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chimera_pipelines.digest import sha256
from chimera_pipelines.maml.history_parts import read_history, sidecar_path
from chimera_pipelines.scheduling.plan import Plan

if TYPE_CHECKING:
    from chimera_pipelines.lifecycle.services import Services
    from chimera_pipelines.tickets.verification import Judged


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verified History.

    Attributes:
        size, root: tree head over all entries.
        tickets: all TICKET entries in order, fields by name, `seq` as a number.
        verified: how many of them passed.
        problems: problem objects of `chimera verify`.
        document_digest: of the text as it lies there now.
    """

    ok: bool
    path: Path
    size: int
    root: str
    tickets: tuple[dict[str, Any], ...]
    verified: int
    problems: tuple[dict[str, Any], ...]
    document_digest: str


def evidence(plan: Plan, services: "Services") -> Evidence:
    """Verify the History of a plan's document, archives and sidecar included."""
    from chimera_pipelines.tickets.verification import verify

    path = Path(plan.document.path)
    sidecar = sidecar_path(services.settings.root, path, plan.document.id)
    history = read_history(path, path.read_bytes(), sidecar)
    doc = sha256(history.document.body)
    found = verify(
        history.parts,
        document_id=plan.document.id,
        doc=doc,
        keys=services.keys.ring(),
        line=history.document.history_line or 1,
    )
    return Evidence(
        ok=found.ok,
        path=history.parts[-1].path if history.parts else path,
        size=found.entries,
        root=found.root or "",
        tickets=tuple(_ticket(one) for one in found.judged if one.entry.action == "TICKET"),
        verified=found.tickets,
        problems=tuple(problem.as_json() for problem in found.problems),
        document_digest=doc,
    )


def _ticket(judged: "Judged") -> dict[str, Any]:
    entry = judged.entry
    return {**entry.fields, "seq": int(entry.fields["seq"]), "timestamp": entry.timestamp}
