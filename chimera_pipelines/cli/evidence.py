"""What verifying verbs share: a document's History in all its files, the keys to trust, tree heads.

A History may lie in three kinds of files: archives beside the document, the document itself, and a
sidecar in CHIMERA_HOME for a document in a read-only place (MAML.md §8).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chimera_pipelines.errors import UsageError, Where

if TYPE_CHECKING:
    from chimera_pipelines.cli.traces import Trace
    from chimera_pipelines.maml.document import Document
    from chimera_pipelines.maml.history_parts import HistoryPart
    from chimera_pipelines.settings import Settings
    from chimera_pipelines.tickets.jwks import KeyRing
    from chimera_pipelines.tickets.keys import KeyStore
    from chimera_pipelines.tickets.verification import Problem, Verification


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What was noted of a History outside its file: the root over its first `size` entries."""

    document_id: str
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A read document and its History, oldest part first.

    Attributes:
        line: of the History heading, or the last line.
        missing: archives that an ARCHIVE entry names and that do not lie beside the document.
    """

    document: Document
    parts: tuple[HistoryPart, ...]
    line: int
    missing: tuple[str, ...]

    @property
    def document_id(self) -> str:
        """`id` of the front matter; empty when it cannot be read."""
        return str(self.document.front_matter.get("id", ""))


def key_store(now: Settings) -> KeyStore:
    """The project's keys."""
    from chimera_pipelines.tickets.keys import KeyStore

    return KeyStore(
        now.root / "keys",
        now.gateway,
        provider=now.signature_provider,
        passphrase_file=now.key_passphrase_file,
    )


def trusted_keys(jwks: Path | None) -> KeyRing:
    """Keys of a JWKS file, or else the public keys of this project's store.

    Raises:
        UsageError: the file cannot be used, or there is none and the project has no keys.
    """
    from chimera_pipelines.settings import settings
    from chimera_pipelines.tickets.jwks import load_jwks, read_jwks

    if jwks is not None:
        return read_jwks(jwks)
    exported = key_store(settings()).export()
    if not exported["keys"]:
        raise UsageError(
            "CHIM206",
            f"no keys in '{settings().root / 'keys'}'",
            hint="name the keys to trust with --keys JWKS, or make some with 'chimera keys init'",
        )
    return load_jwks(exported)


def read(path: Path) -> Evidence:
    """A document and every part of its History.

    Raises:
        UsageError: CHIM202, the document cannot be read; CHIM225, a part of its History.
    """
    from chimera_pipelines.maml.history_parts import read_history, sidecar_path
    from chimera_pipelines.maml.reader import file_bytes, read_file, read_text
    from chimera_pipelines.settings import settings

    data = file_bytes(path)
    if not isinstance(data, bytes):  # too large: its History is not looked for
        return Evidence(read_file(path), (), 1, ())
    document = read_text(data, str(path))
    document_id = str(document.front_matter.get("id", ""))
    sidecar = sidecar_path(settings().root, path, document_id)
    found = read_history(path.absolute(), data, sidecar)
    line = found.document.history_line or max(1, data.count(b"\n"))
    return Evidence(document, found.parts, line, found.missing)


def verified(
    path: Path, keys: KeyRing, heads: tuple[TreeHead, ...] = (), trace: Trace | None = None
) -> Verification:
    """Verify a document's History, and compare it with what is known of it elsewhere.

    Args:
        path: the document.
        keys: whom to trust.
        heads: tree heads noted earlier.
        trace: finds what another log tells otherwise.

    Errors of the document's text and front matter count: what cannot be read alike by everyone
    cannot be vouched for.
    """
    from chimera_pipelines.maml.diagnostics import Severity
    from chimera_pipelines.tickets.verification import Problem, verify

    found = read(path)
    result = verify(
        found.parts,
        document_id=found.document_id,
        doc=found.document.digest,
        keys=keys,
        line=found.line,
    )
    more = [
        Problem(d.code, None, d.span.line, d.message)
        for d in found.document.diagnostics
        if d.severity is Severity.ERROR and d.code.startswith(("MAML1", "MAML2"))
    ]
    more += [
        Problem("MAML803", None, found.line, f"archive '{name}' does not lie here", "info")
        for name in found.missing
    ]
    for head in heads:
        more += compare(found, head)
    if trace is not None:
        more += trace(path, found, result)
    failed = any(problem.severity == "error" for problem in more)
    return replace(result, ok=result.ok and not failed, problems=(*more, *result.problems))


def compare(found: Evidence, head: TreeHead) -> list[Problem]:
    """What a tree head noted elsewhere says of the entries that are left in the file."""
    from chimera_pipelines.tickets import merkle
    from chimera_pipelines.tickets.verification import Problem

    if head.document_id != found.document_id:
        return []
    entries = [entry for part in found.parts for entry in part.entries]
    if found.missing:
        message = "the tree head cannot be compared: an archive is missing"
        return [Problem("MAML803", None, found.line, message)]
    if len(entries) < head.size:
        message = f"the tail was cut: {head.size} entries were noted, {len(entries)} are left"
        return [Problem("MAML803", None, found.line, message)]
    tree = merkle.MerkleTree()
    for entry in entries[: head.size]:
        tree.append(entry.raw)
    if merkle.written(tree.root) == head.root:
        return []
    message = f"the first {head.size} entries are not those whose tree head was noted"
    return [Problem("MAML803", None, found.line, message)]


def tree_heads(path: Path) -> tuple[TreeHead, ...]:
    """Tree heads of a JSON file: one or a list of `{id, size, root}` or of `chimera run --json`.

    Raises:
        UsageError: CHIM202 unreadable, CHIM207 not of that form.
    """
    try:
        value = json.loads(_bytes(path))
        items = value.get("runs", [value]) if isinstance(value, dict) else value
        return tuple(_tree_head(item) for item in items)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "CHIM207",
            f"'{path}' holds no tree heads: {type(error).__name__} {error}",
            where=Where(str(path)),
            hint='expected {"id": "urn:uuid:…", "size": 9, "root": "sha256:…"}, or a list of such',
        ) from None


def _tree_head(item: dict[str, Any]) -> TreeHead:
    if item.get("schema") == "chimera.run/1":
        history = item["history"]
        return TreeHead(item["document"]["id"], int(history["entries"]), str(history["root"]))
    return TreeHead(str(item["id"]), int(item["size"]), str(item["root"]))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError("CHIM202", f"cannot read '{path}': {reason.lower()}") from None
