"""`chimera verify`: each signed entry of a History judged in order, the steps of MAML.md §8.

`Verifier` takes entries one after the other and keeps all that the next one needs: the tree, the
grants that passed, the keys that were replaced. So a gateway that has verified a History once
judges only what came after (lifecycle/verdict.py). The first step that fails is the entry's code;
whatever its fate, an entry is a leaf of the tree, because the chain is over the entries as they
stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from chimera_pipelines.tickets import merkle, providers
from chimera_pipelines.tickets.dsse import to_be_signed
from chimera_pipelines.tickets.entries import HistoryEntry, Part
from chimera_pipelines.tickets.jwks import KeyRing, TrustedKey, gateway_of
from chimera_pipelines.tickets.statement import payload
from chimera_pipelines.timestamps import instant

Severity = Literal["error", "warning", "info"]
SIGNED: frozenset[str] = frozenset({"GRANT", "TICKET", "ARCHIVE", "KEY"})
# Under these a gateway appends nothing (MAML.md §8).
BLOCKING: frozenset[str] = frozenset({"MAML801", "MAML802", "MAML803"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `entry` is the entry's number, archived ones counted; None: the document's."""

    code: str
    entry: int | None
    line: int
    message: str
    severity: Severity = "error"

    def as_json(self) -> dict[str, object]:
        """The problem object of CLI.md."""
        return {
            "code": self.code,
            "entry": self.entry,
            "line": self.line,
            "message": self.message,
            "severity": self.severity,
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """A signed entry that was read, its number and its code; None: it passed."""

    number: int
    entry: HistoryEntry
    code: str | None

    @property
    def passed(self) -> bool:
        """Whether steps 1 to 5 all held."""
        return self.code is None


@dataclass(frozen=True, slots=True)
class Verification:
    """What a History is worth.

    Attributes:
        ok: no problem is an error.
        entries: number of entries, archived ones counted.
        grants, tickets: how many of each passed.
        problems: by entry and code, those about the whole document first.
        judged: all signed entries in order.
        root: tree head over all entries, `sha256:…`; None when an ARCHIVE broke the tree.
    """

    ok: bool
    entries: int
    grants: int
    tickets: int
    problems: tuple[Problem, ...]
    judged: tuple[Judged, ...]
    root: str | None


@dataclass(slots=True)
class Verifier:
    """Judges the entries of one document's History, one after the other.

    Attributes:
        tree: over all entries so far; None below an ARCHIVE whose edge fits no tree.
        number: of the next entry.
        current: the only key that may sign for a holder, where a KEY entry said so.
        last_time_ns: time of the entry above.
        used: keys with which entries of a holder passed.
        roots: tree head with a TICKET as last entry, by the ticket's number.
    """

    document_id: str
    doc: str
    keys: KeyRing
    tree: merkle.MerkleTree | None = field(default_factory=merkle.MerkleTree)
    number: int = 0
    current: dict[str, str] = field(default_factory=dict)
    used: dict[str, list[str]] = field(default_factory=dict)
    grants: dict[str, list[HistoryEntry]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    roots: dict[int, str] = field(default_factory=dict)
    last_time_ns: int | None = None
    _places: list[tuple[int, int]] = field(default_factory=list)

    def feed(self, entry: HistoryEntry, *, archive_read: bool = False) -> None:
        """Judge the next entry; `archive_read` says that an ARCHIVE's file was fed before it."""
        archived = entry.action == "ARCHIVE" and entry.problem is None
        if archived and not archive_read:
            self.number = int(entry.fields["seq"])
            self.tree = _from_edge(entry)
        code, message = None, ""
        if entry.problem is not None or entry.action in SIGNED:
            code, message = self._judge(entry)
            self._keep(entry, code, message)
        self._check_time(entry)
        if archived:
            self.tree = _from_edge(entry)
        if self.tree is not None:
            self.tree.append(entry.raw)
            if entry.action == "TICKET":
                self.roots[self.number] = merkle.written(self.tree.root)
        self._places.append((self.number, entry.line))
        self.number += 1

    def vouch(self, entry: HistoryEntry) -> tuple[str | None, str]:
        """Steps 1 to 4 alone, for an entry that is the next: who signed it, and its place.

        Changes nothing, so that single entries can be judged on top of a tree whose leaves were
        only hashed (lifecycle/replay.py). Returns what the first step that fails says.
        """
        # 1. Parse: the entry is of the grammar (maml/history.py).
        if entry.problem is not None:
            return "MAML801", entry.problem
        # 2. Key: known, in its time, not replaced above, of the right holder.
        key, reason = self._key(entry)
        if key is None:
            return "MAML805", reason
        # 3. Signature over the statement rebuilt from the line and the document's id.
        if not self._signed(entry, key):
            return "MAML802", f"signature of {key.holder} does not fit the line"
        # 4. seq and prev against the tree of all entries above, as they stand.
        reason = self._chain(entry)
        return ("MAML803", reason) if reason else (None, "")

    def _judge(self, entry: HistoryEntry) -> tuple[str | None, str]:
        """Steps 1 to 5: the code of the first that fails, and why; None when all hold."""
        code, message = self.vouch(entry)
        if code is not None:
            return code, message
        # 5. A TICKET needs an earlier GRANT that passed and covers it.
        key, _ = self._key(entry)
        if key is None:
            raise AssertionError("step 2 found a key")
        if entry.action == "TICKET" and not self._granted(entry, key):
            return "MAML808", self._why_not_granted(entry)
        self._accept(entry, key)
        return None, ""

    def _key(self, entry: HistoryEntry) -> tuple[TrustedKey | None, str]:
        """The key that may sign this entry, or why there is none."""
        key_id = entry.fields["key"]
        known = self.keys.get(key_id)
        if not known:
            return None, f"key '{key_id}' is not among the trusted keys"
        holders = ", ".join(key.holder for key in known)
        fit = [key for key in known if _may_sign(entry, key.holder)]
        if not fit:
            return None, f"key '{key_id}' is of {holders}, which may not sign this {entry.action}"
        in_time = [key for key in fit if key.valid_at(entry.time_ns or 0)]
        if not in_time:
            return None, f"key '{key_id}' was not valid at {entry.timestamp}"
        for key in in_time:
            if self.current.get(key.holder, key_id) == key_id:
                return key, ""
        return None, f"key '{key_id}' of {holders} was replaced above"

    def _signed(self, entry: HistoryEntry, key: TrustedKey) -> bool:
        body = payload(entry.action or "", entry.timestamp or "", entry.fields, self.document_id)
        signature = entry.signature or b""
        return providers.verify(key.algorithm, key.public, to_be_signed(body), signature)

    def _chain(self, entry: HistoryEntry) -> str:
        """Why `seq` and `prev` are not those of the tree above; empty when they are."""
        if self.tree is None:
            return "the tree above cannot be rebuilt: an ARCHIVE has a wrong edge"
        seq, prev = int(entry.fields["seq"]), entry.fields["prev"]
        if seq != self.tree.size:
            return f"seq is {seq}, but {self.tree.size} entries stand above"
        if prev != merkle.written(self.tree.root):
            return "prev is not the tree head of the entries above: one was changed, added or moved"
        if entry.action == "ARCHIVE":
            folded = _from_edge(entry)
            if folded is None or merkle.written(folded.root) != prev:
                return "edge does not fold to prev"
        return ""

    def _granted(self, entry: HistoryEntry, key: TrustedKey) -> bool:
        grants = self.grants.get(entry.fields["run"], ())
        return any(_covers(grant, entry, key) for grant in grants)

    def _why_not_granted(self, entry: HistoryEntry) -> str:
        run = entry.fields["run"]
        if run not in self.grants:
            return f"no grant of run {run} stands above and passes"
        return f"no grant of run {run} covers this text, head, gateway and time"

    def _accept(self, entry: HistoryEntry, key: TrustedKey) -> None:
        """Remember what a passed entry means for those below."""
        if entry.action == "GRANT":
            self.grants.setdefault(entry.fields["run"], []).append(entry)
        if entry.action == "KEY":
            self.current[entry.fields["holder"]] = entry.fields["new"]
        used = self.used.setdefault(key.holder, [])
        if key.key_id not in used:
            used.append(key.key_id)

    def _keep(self, entry: HistoryEntry, code: str | None, message: str) -> None:
        if entry.action in SIGNED:
            self.judged.append(Judged(self.number, entry, code))
        if code is not None:
            self.problems.append(Problem(code, self.number, entry.line, message))
        elif entry.fields["doc"] != self.doc:
            # 6. (second half) Each that passed: its doc is the present text's.
            message = "signed for another revision of the text"
            self.problems.append(
                Problem("MAML806", self.number, entry.line, message, severity="info")
            )

    def _check_time(self, entry: HistoryEntry) -> None:
        # 6. (first half) Every entry, signed or not: not before the entry above.
        if entry.time_ns is None:
            return
        if self.last_time_ns is not None and entry.time_ns < self.last_time_ns:
            message = f"'{entry.timestamp}' is earlier than the entry above"
            self.problems.append(
                Problem("MAML807", self.number, entry.line, message, severity="warning")
            )
        self.last_time_ns = entry.time_ns

    def passed(self, action: str) -> list[Judged]:
        """The entries of an action that passed."""
        return [judged for judged in self.judged if judged.passed and judged.entry.action == action]

    @property
    def blocking(self) -> Problem | None:
        """The first problem under which a gateway appends nothing."""
        return next((p for p in self.problems if p.code in BLOCKING), None)

    def result(self, *, line: int = 1) -> Verification:
        """The verdict; `line` is where problems of the whole document are shown."""
        problems = [*self.problems, *self._whole(line)]
        problems.sort(key=lambda p: (-1 if p.entry is None else p.entry, p.code))
        return Verification(
            ok=not any(p.severity == "error" for p in problems),
            entries=self.number,
            grants=len(self.passed("GRANT")),
            tickets=len(self.passed("TICKET")),
            problems=tuple(problems),
            judged=tuple(self.judged),
            root=None if self.tree is None else merkle.written(self.tree.root),
        )

    def _whole(self, line: int) -> Iterable[Problem]:
        # 7. Once for the document: an unsealed tail or nothing sealed, and no ticket for this text.
        tickets = self.passed("TICKET")
        if not tickets:
            yield Problem("MAML804", None, line, "no ticket passes: nothing is sealed")
            return
        last = max(judged.number for judged in self.judged if judged.passed)
        below = next(((n, at) for n, at in self._places if n > last), None)
        if below is not None:
            message = "not sealed: no signed entry that passes stands at or below this one"
            yield Problem("MAML804", below[0], below[1], message, severity="warning")
        if all(ticket.entry.fields["doc"] != self.doc for ticket in tickets):
            yield Problem("MAML806", None, line, "no ticket for the present text")


def _from_edge(entry: HistoryEntry) -> merkle.MerkleTree | None:
    """The tree that an ARCHIVE's edge is of; None when it has the wrong number of hashes."""
    edge, size = merkle.read_edge(entry.fields["edge"]), int(entry.fields["seq"])
    return merkle.MerkleTree(size, edge) if len(edge) == size.bit_count() else None


def _may_sign(entry: HistoryEntry, holder: str) -> bool:
    """Whether a holder is the one whose key an entry needs (step 2)."""
    fields = entry.fields
    if entry.action == "GRANT":
        return holder == fields["gateway"]
    if entry.action == "ARCHIVE":
        return holder.startswith("gateway://")
    if entry.action == "TICKET":
        return holder.startswith("head://") and holder.rpartition("/")[2] == fields["head"]
    return holder in (fields["holder"], gateway_of(fields["holder"]))


def _covers(grant: HistoryEntry, ticket: HistoryEntry, key: TrustedKey) -> bool:
    """Whether a grant that passed authorises a ticket (step 5)."""
    granted, asked = grant.fields, ticket.fields
    expires = instant(granted["expires"])
    if grant.time_ns is None or ticket.time_ns is None or expires is None:
        return False
    return (
        granted["doc"] == asked["doc"]
        and asked["head"] in granted["heads"].split(",")
        and key.gateway == granted["gateway"]
        and grant.time_ns <= ticket.time_ns <= expires
    )


def verify(
    parts: Iterable[Part], *, document_id: str, doc: str, keys: KeyRing, line: int = 1
) -> Verification:
    """Verify a History that lies in several files, oldest first.

    Args:
        parts: archives, the document, its sidecar.
        document_id: `id` of the front matter.
        doc: digest of the present text.
        keys: whom to trust.
        line: where problems of the whole document are shown.
    """
    verifier = Verifier(document_id, doc, keys)
    for part in parts:
        for at, entry in enumerate(part.entries):
            verifier.feed(entry, archive_read=part.archive_read and at == 0)
    return verifier.result(line=line)
