"""The last tickets of a head, verified again after its process was replaced.

The ledger says which tickets they are; the documents' Histories have their lines and signatures.
Of a History only the files are read in which such tickets stand: an ARCHIVE entry carries the edge
of the tree below it, so nothing older is needed. Entries in between are hashed and not read, since
one that was changed shows in `prev` of the next ticket. So the time goes with the number of tickets
that are looked at and not with those that a head has signed in its life.

A ticket that is no longer where the ledger saw it (the document was moved away, or put back to an
earlier state) proves nothing against the head and is counted as absent. One that stands in its
place with other bytes, a bad signature or a broken chain does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import HeadUnavailableError, UsageError, Where
from chimera_pipelines.ledger.ledger import TicketRow
from chimera_pipelines.maml.history import cut_tail, split
from chimera_pipelines.maml.history_entry import Entry, read_entry
from chimera_pipelines.maml.history_parts import read_bytes, sidecar_path
from chimera_pipelines.tickets import merkle
from chimera_pipelines.tickets.jwks import KeyRing
from chimera_pipelines.tickets.verification import Verifier

TICKETS = 100


class Recompute(Protocol):
    """Runs the kernel of a ticket again."""

    def __call__(self, ticket: TicketRow, document: Path) -> str | None:
        """`out` as it comes today; None when that cannot be asked of this kernel."""
        ...


class Tickets(Protocol):
    """What is needed of the ledger."""

    def last_tickets(self, head: str, count: int) -> tuple[TicketRow, ...]:
        """The latest tickets that a head signed, newest first."""
        ...

    def document_path(self, document_id: str, slug: str | None = None) -> str | None:
        """Where a document was last seen; None when nobody told."""
        ...


@dataclass(frozen=True, slots=True)
class Distrust:
    """Why a ticket is not trusted any more."""

    document: str
    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of looking at a head's last tickets.

    Attributes:
        verified: tickets whose signature and place in the chain are good.
        recomputed: of them, those whose kernel ran again and gave the same output.
        absent: tickets that are not where the ledger saw them.
        problems: tickets that are there and not good.
    """

    head: str
    verified: int = 0
    recomputed: int = 0
    absent: int = 0
    problems: tuple[Distrust, ...] = ()

    @property
    def error(self) -> HeadUnavailableError | None:
        """CHIM740, why the head must not work; None when nothing speaks against it."""
        if not self.problems:
            return None
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return HeadUnavailableError(
            "CHIM740",
            f"{self.head} stays out of service: its ticket {first.seq} does not verify: "
            f"{first.code} {first.message}{more}",
            where=Where(first.document),
            hint=f"see 'chimera verify {first.document}'; restore that document or move it away, "
            f"then 'chimera heads restart {self.head}'",
        )


def replay(
    head: str,
    ledger: Tickets,
    keys: Callable[[], KeyRing],
    home: Path,
    *,
    count: int = TICKETS,
    recompute: Recompute | None = None,
) -> Replay:
    """Verify the last tickets of a head.

    Args:
        head: HEAD_1 … HEAD_4.
        ledger: names the tickets and where their documents lie.
        keys: whom to trust; asked for when there are tickets.
        home: `CHIMERA_HOME`, for sidecars.
        count: how many tickets.
        recompute: runs kernels again; None: signatures and chain are enough.
    """
    tickets: dict[tuple[str, str], list[TicketRow]] = {}
    for row in ledger.last_tickets(head, count):
        tickets.setdefault((row.document_id, row.slug), []).append(row)
    found = Replay(head)
    for (document_id, slug), rows in tickets.items():
        path = ledger.document_path(document_id, slug)
        if path is None or not Path(path).exists():
            found = _sum(found, Replay(head, absent=len(rows)))
            continue
        found = _sum(found, _document(head, Path(path), rows, keys(), home, recompute))
    return found


def _sum(one: Replay, other: Replay) -> Replay:
    return Replay(
        one.head,
        one.verified + other.verified,
        one.recomputed + other.recomputed,
        one.absent + other.absent,
        one.problems + other.problems,
    )


def _document(
    head: str,
    path: Path,
    rows: Sequence[TicketRow],
    keys: KeyRing,
    home: Path,
    recompute: Recompute | None,
) -> Replay:
    """The tickets of one document."""
    wanted: dict[int, list[TicketRow]] = {}
    for row in rows:
        wanted.setdefault(row.seq, []).append(row)
    verified, recomputed = 0, 0
    problems = []
    sidecar = sidecar_path(home, path, rows[0].document_id)
    for row, code, message in _judged(path, sidecar, wanted, keys):
        out = None
        if code is None and recompute is not None and row.status == "ok":
            out = recompute(row, path)
        if code is not None:
            problems.append(Distrust(str(path), row.seq, code, message))
        elif out is not None and out != row.output_digest:
            now = f"kernel '{row.kernel}' now gives {out}"
            problems.append(Distrust(str(path), row.seq, "CHIM741", now))
        else:
            verified += 1
            recomputed += out is not None
    absent = len(rows) - verified - len(problems)
    return Replay(head, verified, recomputed, absent, tuple(problems))


def _judged(
    path: Path, sidecar: Path, wanted: Mapping[int, Sequence[TicketRow]], keys: KeyRing
) -> Iterator[tuple[TicketRow, str | None, str]]:
    """The wanted tickets that stand in their places, with what is wrong with each."""
    stretches = _stretches(path, sidecar, min(wanted))
    last = max(wanted)
    verifier = Verifier(wanted[last][0].document_id, "", keys)
    for at, (number, tree, entries) in enumerate(stretches):
        if at == 0:
            verifier.number, verifier.tree = number, tree
        for line, raw in entries:
            for row in wanted.get(verifier.number, ()):
                entry = read_entry(0, line, raw)
                if _is_that(row, entry):
                    code, message = verifier.vouch(entry)
                    if code is None and sha256(raw) != row.leaf:
                        code, message = "MAML803", "it is not the one that the ledger recorded"
                    yield row, code, message
                    break
            if verifier.tree is not None:
                verifier.tree.append(raw)
            verifier.number += 1
            if verifier.number > last:
                return


def _is_that(row: TicketRow, entry: Entry) -> bool:
    """Whether an entry claims to be that ticket: a document put back has others in its place."""
    if entry.problem is not None:
        return True
    return entry.action == "TICKET" and all(
        entry.fields[name] == value
        for name, value in (("run", row.run_id), ("kernel", row.kernel), ("head", row.head))
    )


_Cut = list[tuple[int, bytes]]


def _stretches(
    path: Path, sidecar: Path, lowest: int
) -> list[tuple[int, merkle.MerkleTree | None, _Cut]]:
    """The files with entry `lowest` and later ones, oldest first.

    Each with the number of its first entry and the tree above it, which the first of them needs.
    """
    found: list[tuple[int, merkle.MerkleTree | None, _Cut]] = []
    for entries in _newest_first(path, sidecar):
        number, tree = _start(entries)
        found.append((number, tree, entries))
        if _is_archive(entries) and number <= lowest:
            break
    found.reverse()
    return found


def _newest_first(path: Path, sidecar: Path) -> Iterator[_Cut]:
    """The entries of each file of a History: the sidecar's and its archives, the document's."""
    for file in (sidecar, path) if sidecar.exists() else (path,):
        text = split(read_bytes(file))
        entries = list(cut_tail(text.tail, (text.history_line or 0) + 1))
        yield entries
        yield from _archives(file.parent, entries)


def _archives(folder: Path, entries: _Cut) -> Iterator[_Cut]:
    seen: set[str] = set()
    while (name := _archive_named(entries)) is not None and name not in seen:
        seen.add(name)
        try:
            raw = read_bytes(folder / name).replace(b"\r\n", b"\n")
        except UsageError:
            return  # an archive that was moved away: its tickets are absent
        entries = list(cut_tail(raw, 1))
        yield entries


def _archive_named(entries: _Cut) -> str | None:
    entry = _first(entries)
    return entry.fields["file"] if entry is not None and _is_archive(entries) else None


def _is_archive(entries: _Cut) -> bool:
    entry = _first(entries)
    return entry is not None and entry.action == "ARCHIVE" and entry.problem is None


def _first(entries: _Cut) -> Entry | None:
    return read_entry(0, *entries[0]) if entries else None


def _start(entries: _Cut) -> tuple[int, merkle.MerkleTree | None]:
    """Number of a file's first entry and the tree above it, as its ARCHIVE says; else the first."""
    entry = _first(entries)
    if entry is None or not _is_archive(entries):
        return 0, merkle.MerkleTree()
    edge, size = merkle.read_edge(entry.fields["edge"]), int(entry.fields["seq"])
    tree = merkle.MerkleTree(size, edge) if len(edge) == size.bit_count() else None
    return size, tree
