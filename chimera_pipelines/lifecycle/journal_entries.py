"""What a journal adds to a History: signed entries, made one on top of the other.

A `Draft` continues a verified History. Each entry is rendered, signed and judged by the same
`Verifier` that judges what lies in the file, so nothing is appended that would not verify.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import HistoryError, RefusedError, SettingsError, UsageError
from chimera_pipelines.ledger.ledger import TicketRow
from chimera_pipelines.ledger.readings import Reading
from chimera_pipelines.lifecycle import standing
from chimera_pipelines.lifecycle.receipts import GrantReceipt, SignedTicket, TicketFields
from chimera_pipelines.maml.history import parse_entries
from chimera_pipelines.maml.history_entry import (
    Entry,
    render_line,
    render_note,
    render_signed,
)
from chimera_pipelines.tickets import merkle
from chimera_pipelines.tickets.dsse import to_be_signed
from chimera_pipelines.tickets.entries import HistoryEntry
from chimera_pipelines.tickets.jwks import gateway_of, head_holder
from chimera_pipelines.tickets.keys import KeyStore, StoredSigner
from chimera_pipelines.tickets.statement import payload
from chimera_pipelines.tickets.verification import Verifier
from chimera_pipelines.timestamps import NS, instant, timestamp


@dataclass(slots=True)
class Draft:
    """Entries that are to be appended, on top of a History that `verifier` has judged."""

    verifier: Verifier
    keys: KeyStore
    gateway: str
    entries: list[Entry] = field(default_factory=list)
    invocations: dict[int, TicketFields] = field(default_factory=dict)

    @property
    def raw(self) -> list[bytes]:
        """The bytes of the entries."""
        return [entry.raw for entry in self.entries]

    @property
    def root(self) -> str:
        """Tree head over everything so far."""
        return merkle.written(self._tree.root)

    @property
    def _tree(self) -> merkle.MerkleTree:
        if self.verifier.tree is None:
            raise HistoryError("MAML803", "the tree of this history cannot be rebuilt")
        return self.verifier.tree

    def now_ns(self) -> int:
        """The time of the next entry: now, and never before the last entry's."""
        return max(time.time_ns() // 1000 * 1000, self.verifier.last_time_ns or 0)

    def note(self, action: str, text: str) -> None:
        """Add a note.

        Raises:
            UsageError: CHIM228, it is no note (MAML.md §8).
        """
        try:
            raw = render_note(timestamp(self.now_ns()), action, text)
        except ValueError as error:
            raise UsageError("CHIM228", f"cannot write the note '{action}': {error}") from None
        self._add(parse_entries(raw)[0])

    def grant(self, run_id: str, by: str, heads: Sequence[str], hours: float) -> GrantReceipt:
        """The grant of a run: the one that stands, or a new one where none covers what is asked."""
        for entry in self.verifier.grants.get(run_id, ()):
            if self._stands(entry, by, heads, self.now_ns()):
                return self._grant_receipt(entry)
        # The signer first: a KEY entry that it needs takes a time of its own.
        signer = self._signer(self.gateway)
        now = self.now_ns()
        fields = {
            "run": run_id,
            "by": by,
            "gateway": self.gateway,
            "heads": ",".join(sorted(set(heads))),
            "expires": timestamp(now + int(hours * 3600 * NS)),
        }
        return self._grant_receipt(self._sign("GRANT", fields, signer, now))

    def _stands(self, grant: HistoryEntry, by: str, heads: Sequence[str], now: int) -> bool:
        fields = grant.fields
        return (
            fields["doc"] == self.verifier.doc
            and fields["gateway"] == self.gateway
            and fields["by"] == by
            and set(heads) <= set(fields["heads"].split(","))
            and now <= (instant(fields["expires"]) or 0)
        )

    def _grant_receipt(self, entry: HistoryEntry) -> GrantReceipt:
        return GrantReceipt(
            int(entry.fields["seq"]),
            entry.fields["key"],
            self.root,
            entry.timestamp or "",
            sha256(entry.signature or b""),
            entry.fields["expires"],
        )

    def tickets(self, run_id: str, kernel: str) -> tuple[SignedTicket, ...]:
        """The tickets of a kernel in a run that stand for the present text, oldest first."""
        return standing.tickets(self.verifier, run_id, kernel)

    def ticket(self, asked: TicketFields) -> SignedTicket:
        """Add the ticket of an invocation, or give the one that stands for it already.

        Raises:
            RefusedError: MAML808, no grant of its run covers it.
        """
        stands = standing.find(self.verifier, asked)
        if stands is not None:
            return stands
        signer = self._signer(head_holder(self.gateway, asked.head))
        now = self.now_ns()
        if not any(self._covers(grant, asked, now) for grant in self._grants(asked)):
            raise RefusedError(
                "MAML808",
                f"no grant of run {asked.run_id} covers '{asked.head}' now",
                hint="ask for a grant again; one lasts CHIMERA_GRANT_HOURS",
            )
        fields = {
            "run": asked.run_id,
            "kernel": asked.kernel,
            "status": asked.status,
            "head": asked.head,
            "cuda_ns": "-" if asked.cuda_ns is None else str(asked.cuda_ns),
            "in": asked.input_digest,
            "out": asked.output_digest,
        }
        entry = self._sign("TICKET", fields, signer, now)
        self.invocations[len(self.entries) - 1] = asked
        return standing.signed(entry, self.root)

    def _grants(self, asked: TicketFields) -> Sequence[HistoryEntry]:
        return self.verifier.grants.get(asked.run_id, ())

    def _covers(self, grant: HistoryEntry, asked: TicketFields, now: int) -> bool:
        fields = grant.fields
        return (
            fields["doc"] == self.verifier.doc
            and fields["gateway"] == self.gateway
            and asked.head in fields["heads"].split(",")
            and (grant.time_ns or 0) <= now <= (instant(fields["expires"]) or 0)
        )

    def archive(self, file: str) -> None:
        """Add the ARCHIVE entry for all entries so far, which `file` now holds."""
        edge = ",".join(merkle.written(part) for part in self._tree.edge)
        # No KEY entry here: ARCHIVE must be the first entry. The key that was last used here signs.
        signer = self._last_signer()
        self._sign("ARCHIVE", {"file": file, "edge": edge}, signer, self.now_ns())

    def _last_signer(self) -> StoredSigner:
        """The signer of the gateway key that may sign here without a KEY entry."""
        used = self.verifier.used.get(self.gateway, [])
        key_id = self.verifier.current.get(self.gateway) or (used[-1] if used else None)
        now = self.now_ns()
        for key in self.verifier.keys.get(key_id or ""):
            if key.holder == self.gateway and key.valid_at(now):
                return self.keys.signer_of(key)
        return self.keys.signer(self.gateway)

    def _signer(self, holder: str) -> StoredSigner:
        """The signer of a holder, behind the KEY entry that its new key needs here."""
        active = self.keys.active(holder)
        current, used = self.verifier.current.get(holder), self.verifier.used.get(holder, [])
        known = current == active.key_id or (current is None and active.key_id in used)
        if not known and (current is not None or used):
            self._announce(holder, active.key_id, current or used[-1], bound=current is not None)
        return self.keys.signer(holder)

    def _announce(self, holder: str, new: str, old: str, *, bound: bool) -> None:
        if gateway_of(holder) != holder:
            signer = self._signer(gateway_of(holder))
        else:
            mine = [key for key in self.verifier.keys.get(old) if key.holder == holder]
            if not mine or not mine[0].valid_at(self.now_ns()):
                # A revoked key cannot hand over. Unless a KEY entry bound the holder to it, the
                # JWKS alone lets the new key sign.
                if not bound:
                    return
                raise HistoryError(
                    "MAML805",
                    f"history binds '{holder}' to key '{old}', which is past its time",
                    hint="start a new history under a new document id",
                )
            signer = self.keys.signer_of(mine[0])
        # The time is read last: the gateway's own KEY entry may just have taken a later one.
        self._sign("KEY", {"holder": holder, "new": new}, signer, self.now_ns())

    def _sign(
        self, action: str, fields: Mapping[str, str], signer: StoredSigner, now: int
    ) -> Entry:
        stamp = timestamp(now)
        whole = {
            **fields,
            "seq": str(self._tree.size),
            "doc": self.verifier.doc,
            "prev": self.root,
            "key": signer.key_id,
        }
        message = to_be_signed(payload(action, stamp, whole, self.verifier.document_id))
        raw = render_signed(render_line(stamp, action, whole), signer.sign(message))
        entry = parse_entries(raw)[0]
        if entry.problem:
            raise UsageError("CHIM228", f"cannot write the {action}: {entry.problem}")
        self._add(entry)
        return entry

    def _add(self, entry: Entry) -> None:
        self.verifier.feed(entry, archive_read=True)
        last = self.verifier.judged[-1] if self.verifier.judged else None
        if last is not None and last.entry is entry and last.code is not None:
            message = self.verifier.problems[-1].message
            if last.code == "MAML802":
                raise SettingsError(
                    "CHIM224",
                    f"the signature provider made a bad signature: {message}",
                    hint="set CHIMERA_SIGNATURE_PROVIDER=cryptography and report it",
                )
            raise HistoryError(last.code, f"a new {entry.action} does not verify: {message}")
        self.entries.append(entry)

    def rows(self, slug: str) -> list[TicketRow]:
        """The ledger's rows of the signed entries."""
        return [
            ticket_row(entry, self.verifier.document_id, slug, self.invocations.get(at))
            for at, entry in enumerate(self.entries)
            if entry.signature is not None
        ]

    def readings(self) -> list[Reading]:
        """What was measured of the attempts that the new tickets end."""
        return [
            replace(asked.reading, leaf=sha256(self.entries[at].raw))
            for at, asked in self.invocations.items()
            if asked.reading is not None
        ]


def ticket_row(
    entry: HistoryEntry, document_id: str, slug: str, asked: TicketFields | None = None
) -> TicketRow:
    """The ledger's row of a signed entry; `asked` has what the line does not say."""
    fields = entry.fields
    duration = fields.get("cuda_ns", "-")
    return TicketRow(
        leaf=sha256(entry.raw),
        document_id=document_id,
        slug=slug,
        seq=int(fields["seq"]),
        action=entry.action or "",
        timestamp=entry.timestamp or "",
        doc=fields["doc"],
        key=fields["key"],
        signature_digest=sha256(entry.signature or b""),
        run_id=fields.get("run"),
        granted_to=fields.get("by"),
        kernel=fields.get("kernel"),
        status=fields.get("status"),
        head=fields.get("head"),
        head_kind=asked.head_kind if asked else None,
        cuda_ns=None if duration == "-" else int(duration),
        input_digest=fields.get("in"),
        output_digest=fields.get("out", ""),
        partition=asked.partition if asked else None,
        sandbox=asked.sandbox if asked else None,
    )
