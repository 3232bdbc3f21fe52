"""What happens to a file in `data/inbox/`, without Dagster: settle, check, move.

A clean document goes to `documents/`, any other file to `quarantine/` with its diagnostics as JSON
beside it. Nothing is lost: files are moved, never deleted, and never over another document's file.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import ChimeraError, DocumentError
from chimera_pipelines.maml.history import split
from chimera_pipelines.maml.history_file import HistoryFile
from chimera_pipelines.maml.names import slug
from chimera_pipelines.scheduling.plan import Plan, load_plan
from chimera_pipelines.settings import Settings

CHECK_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that has left the inbox.

    Attributes:
        name: of the file in the inbox.
        path: where it lies now.
        plan: of an accepted document; None when it was refused, or does not load where it lies.
        report: the report of `chimera check`, or an error object.
    """

    name: str
    path: Path
    plan: Plan | None
    report: dict[str, Any]


def waiting(inbox: Path) -> dict[str, list[int]]:
    """Files in the inbox with size and time of change; the same pair twice means settled."""
    if not inbox.is_dir():
        return {}
    found = {}
    for path in sorted(inbox.iterdir()):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            stat = path.stat()
            found[path.name] = [stat.st_size, max(stat.st_mtime_ns, stat.st_ctime_ns)]
    return found


def take(name: str, settings: Settings) -> Taken:
    """Check one settled file and move it to where it belongs.

    Raises:
        OSError: it could not be moved and is where it was, or somebody else took it away.
    """
    path = settings.root / "inbox" / name
    if not name.endswith(".maml.md"):
        report = _error(DocumentError("CHIM604", f"'{name}' does not end in '.maml.md'"))
        return _quarantine(path, report, settings)
    report = check(path)
    if report.get("errors") != 0:
        return _quarantine(path, report, settings)
    try:
        target = _accept(path, settings)
    except ChimeraError as error:
        return _quarantine(path, {**report, **_error(error)}, settings)
    try:
        plan = load_plan(target, settings.root / "plans")
    except ChimeraError as error:
        return Taken(name, target, None, {**report, **_error(error)})
    except OSError as error:
        unread = DocumentError("CHIM601", f"cannot compile: {type(error).__name__}: {error}")
        return Taken(name, target, None, {**report, **_error(unread)})
    return Taken(name, target, plan, report)


def check(path: Path) -> dict[str, Any]:
    """`chimera check --json` in a process of its own, which a document may break."""
    entry = "from chimera_pipelines.cli.main import run; run()"
    command = [sys.executable, "-c", entry, "check", "--json", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
        )
        report: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return _error(DocumentError("CHIM605", f"check took more than {CHECK_SECONDS} s"))
    except ValueError:
        tail = done.stderr.strip()[-500:]
        return _error(DocumentError("CHIM606", f"check ended with {done.returncode}: {tail}"))
    return report


def _error(error: ChimeraError) -> dict[str, Any]:
    return {"schema": "chimera.check/1", "errors": 1, "error": error.as_json()}


def _accept(path: Path, settings: Settings) -> Path:
    """Move a clean document into `documents/`: new, or as the next revision of the one there.

    A revision takes over the History of the file that it replaces, byte for byte.

    Raises:
        DocumentError: the name or the id belongs to another document, or both have a History.
    """
    plan = load_plan(path)
    target = settings.documents / path.name
    settings.documents.mkdir(parents=True, exist_ok=True)
    for other in sorted(settings.documents.glob("*.maml.md")):
        _refuse_twin(plan, target, other)
    data = path.read_bytes()
    if target.exists():
        with HistoryFile(target).locked() as history:  # no run may append meanwhile
            _put(_with_history_of(data, history.raw, target), target)
    else:
        _put(data, target)
    path.unlink()
    return target


def _put(data: bytes, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(data)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)


def _refuse_twin(plan: Plan, target: Path, other: Path) -> None:
    same_file = other.name == target.name
    if not same_file and slug(other.name) != plan.slug:
        known = _id_of(other)
        if known == plan.document.id:
            raise DocumentError(
                "CHIM603",
                f"'{other.name}' has the same id, '{known}'",
                hint="a copy needs an id of its own",
            )
        return
    if not same_file or _id_of(other) not in (plan.document.id, None):
        raise DocumentError(
            "CHIM602",
            f"the name is taken by '{other.name}', another document",
            hint="rename the file",
        )


def _id_of(path: Path) -> str | None:
    try:
        return load_plan(path).document.id
    except ChimeraError:
        return None


def _with_history_of(data: bytes, old: bytes, target: Path) -> bytes:
    new, before = split(data), split(old)
    if before.history_line is None or data == old:
        return data
    if new.history_line is not None and not before.tail.startswith(new.tail.rstrip(b"\n")):
        raise DocumentError(
            "CHIM607",
            f"'{target.name}' has a History that this revision's does not agree with",
            hint="drop the revision's ## History; the one there is kept",
        )
    return new.body + b"## History\n" + before.tail


def _quarantine(path: Path, report: dict[str, Any], settings: Settings) -> Taken:
    folder = settings.root / "quarantine"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    if target.exists() or _beside(target).exists():
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        target = folder / f"{stamp}-{path.name}"
    _beside(target).write_text(json.dumps(report, indent=2), encoding="utf-8")
    try:
        path.replace(target)
    except OSError:
        _beside(target).unlink()
        raise
    return Taken(path.name, target, None, report)


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.name}.diagnostics.json")
