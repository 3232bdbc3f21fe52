from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.errors import UsageError
from chimera_pipelines.maml.history import doc_digest, parse_history, parse_tail, split
from chimera_pipelines.tickets import providers
from chimera_pipelines.tickets.dsse import to_be_signed
from chimera_pipelines.tickets.entries import HistoryPart
from chimera_pipelines.tickets.jwks import KeyRing, base64url, load_jwks, trusted_key
from chimera_pipelines.tickets.merkle import MerkleTree, written
from chimera_pipelines.tickets.statement import payload
from chimera_pipelines.tickets.verification import Verification, verify
from tests.tickets import vector_edits

VECTORS = vector_edits.load()
BASES = vector_edits.bases(VECTORS)
SEEDS = {key["name"]: bytes.fromhex(key["seed"]) for key in VECTORS["test_keys"]["keys"]}
RUN = "01K1Z6S8Q4T9X2R7B3M5N6P8VA"
GATEWAY, HEAD = "gateway://local/default", "head://local/default/HEAD_1"


def verified(data: bytes, keys: KeyRing) -> Verification:
    document_id = re.search(rb"^id: (\S+)$", split(data).body, re.MULTILINE)[1].decode()
    parts = [HistoryPart(parse_history(data))]
    return verify(parts, document_id=document_id, doc=doc_digest(data), keys=keys)


def problems(found: Verification) -> list[tuple[int | None, str, str]]:
    return [(p.entry, p.code, p.severity) for p in found.problems]


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_every_vector_is_judged_as_written(case):
    text, jwks = BASES[case["base"]]
    want = case["expect"]
    try:
        ring = load_jwks(vector_edits.keys(jwks, case.get("keys")))
    except UsageError as error:
        got: int | None = error.exit_code
    else:
        got = None
    if want["exit"] == 2 or got is not None:
        assert got == want["exit"]
        return
    found = verified(vector_edits.apply(text, case["how"]), ring)
    expected = [(p["entry"], p["code"], p.get("severity", "error")) for p in want["problems"]]
    assert problems(found) == expected
    assert (found.tickets, 0 if found.ok else 8) == (want["tickets"], want["exit"])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_changed_byte_of_a_sealed_history_is_accepted(data):
    text, jwks = BASES["signed"]
    raw = bytearray(text.encode())
    start = raw.index(b"## History\n\n") + len(b"## History\n\n")
    at = data.draw(st.integers(start, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    assert not verified(bytes(raw), load_jwks(jwks)).ok


class Writer:
    """Makes histories of the small document, entry by entry, with the published test keys."""

    def __init__(self) -> None:
        text = BASES["small"][0].rstrip("\n") + "\n\n"
        self.body = text.encode()
        self.doc = doc_digest(self.body)
        self.id = re.search(r"^id: (\S+)$", text, re.MULTILINE)[1]
        self.entries: list[bytes] = []
        self.tree = MerkleTree()
        self.keys = {}

    def key(self, name: str, holder: str, algorithm: str = "ML-DSA-65"):
        self.keys[name] = trusted_key(
            algorithm, providers.public_key(algorithm, SEEDS[name]), holder
        )
        return self.keys[name]

    def signed(self, time: str, action: str, signer: str, **changes: str) -> None:
        key = self.keys[signer]
        common = {
            "seq": str(self.tree.size),
            "doc": self.doc,
            "prev": written(self.tree.root),
            "key": key.key_id,
        }
        defaults = {
            "GRANT": {
                "seq": "",
                "run": RUN,
                "by": "agent://lab/ana",
                "gateway": GATEWAY,
                "heads": "HEAD_1",
                "expires": "2026-08-01T12:00:00Z",
            },
            "TICKET": {
                "seq": "",
                "run": RUN,
                "kernel": "bell",
                "status": "ok",
                "head": "HEAD_1",
                "cuda_ns": "-",
                "in": "sha256:" + "0" * 64,
                "out": "sha256:" + "1" * 64,
            },
            "KEY": {"seq": "", "holder": HEAD, "new": ""},
            "ARCHIVE": {"seq": "", "file": "bell.history-1.md", "edge": ""},
        }
        fields = {**defaults[action], **common, **changes}
        provider = providers.CryptographyProvider("test")
        sign = provider.signing(key.algorithm, SEEDS[signer])
        signature = sign(to_be_signed(payload(action, time, fields, self.id)))
        shown = " ".join(f"{name}={value}" for name, value in fields.items())
        line = f"- {time}: [{action}] {shown}\n  <!-- sig {base64url(signature)} -->\n"
        self.add(line.encode())

    def add(self, raw: bytes) -> None:
        self.entries.append(raw)
        self.tree.append(raw)

    def archive(self, time: str, signer: str = "gateway", **changes: str) -> bytes:
        """Moves all entries to an archive, whose bytes are returned."""
        moved, self.entries = b"".join(self.entries), []
        edge = ",".join(written(part) for part in self.tree.edge)
        self.signed(time, "ARCHIVE", signer, edge=edge, **changes)
        return moved

    def verify(self, *archives: bytes) -> Verification:
        parts = [
            HistoryPart(parse_tail(archive, 1), archive_read=at > 0)
            for at, archive in enumerate(archives)
        ]
        last = HistoryPart(parse_tail(b"".join(self.entries), 1), archive_read=bool(archives))
        ring = KeyRing.of(self.keys.values())
        return verify([*parts, last], document_id=self.id, doc=self.doc, keys=ring)


@pytest.fixture
def writer() -> Writer:
    made = Writer()
    made.key("gateway", GATEWAY)
    made.key("head 1", HEAD)
    return made


def run(writer: Writer, hour: int) -> None:
    expires = f"2026-08-01T{hour + 1}:00:00Z"
    writer.signed(f"2026-08-01T{hour}:00:00Z", "GRANT", "gateway", expires=expires)
    writer.signed(f"2026-08-01T{hour}:00:01Z", "TICKET", "head 1")


def test_bounds_of_a_grant_are_inclusive(writer):
    writer.signed("2026-08-01T11:00:00Z", "GRANT", "gateway", expires="2026-08-01T11:30:00Z")
    writer.signed("2026-08-01T11:00:00Z", "TICKET", "head 1")
    writer.signed("2026-08-01T11:30:00.000000000Z", "TICKET", "head 1")
    writer.signed("2026-08-01T11:30:00.000000001Z", "TICKET", "head 1")
    found = writer.verify()
    assert problems(found) == [(3, "MAML804", "warning"), (3, "MAML808", "error")]
    assert found.tickets == 2


def test_a_grant_in_an_archive_covers_a_ticket_below_it(writer):
    writer.signed("2026-08-01T11:00:00Z", "GRANT", "gateway", expires="2026-08-01T23:00:00Z")
    writer.signed("2026-08-01T11:00:01Z", "TICKET", "head 1")
    archive = writer.archive("2026-08-01T13:00:00Z")
    writer.signed("2026-08-01T14:00:00Z", "TICKET", "head 1")
    found = writer.verify(archive)
    assert found.ok
    assert (found.entries, found.grants, found.tickets) == (4, 1, 2)
    without = writer.verify()
    assert problems(without) == [(None, "MAML804", "error"), (3, "MAML808", "error")]
    assert without.entries == 4


def test_two_archives_in_a_row(writer):
    run(writer, 11)
    first = writer.archive("2026-08-01T12:00:00Z")
    run(writer, 13)
    second = writer.archive("2026-08-01T14:30:00Z", file="bell.history-2.md")
    run(writer, 15)
    for archives in ((first, second), (second,), ()):
        parts = writer.verify(*archives)
        if len(archives) == 1:
            # The older archive is missing: the tree goes on from the edge of the newer one.
            ring = KeyRing.of(writer.keys.values())
            parts = verify(
                [
                    HistoryPart(parse_tail(second, 1)),
                    HistoryPart(parse_tail(b"".join(writer.entries), 1), archive_read=True),
                ],
                document_id=writer.id,
                doc=writer.doc,
                keys=ring,
            )
        assert parts.ok, parts.problems
        assert parts.entries == 8
        assert parts.root == written(writer.tree.root)


def test_a_changed_archive_is_seen_by_its_archive_entry(writer):
    writer.add(b"- 2026-08-01T09:00:00Z: [CREATE] by agent://lab/ana\n")
    run(writer, 11)
    archive = writer.archive("2026-08-01T12:00:00Z")
    run(writer, 13)
    found = writer.verify(archive.replace(b"ana\n", b"eve\n"))
    assert problems(found) == [
        (1, "MAML803", "error"),
        (2, "MAML803", "error"),
        (3, "MAML803", "error"),
    ]
    assert found.tickets == 1


def test_an_archive_edge_with_too_few_hashes_breaks_all_below(writer):
    run(writer, 11)
    run(writer, 13)
    run(writer, 14)
    edge = written(writer.tree.edge[0])
    writer.entries = []
    writer.signed("2026-08-01T16:00:00Z", "ARCHIVE", "gateway", edge=edge)
    run(writer, 17)
    codes = {p[1] for p in problems(writer.verify())}
    assert codes == {"MAML803", "MAML804"}


def test_a_rotated_gateway_no_longer_signs_for_itself_nor_for_its_heads(writer):
    new = writer.key("new gateway", GATEWAY)
    head = writer.key("new head 1", HEAD)
    time = "2026-08-01T10:00:00Z"
    writer.signed(time, "KEY", "gateway", holder=GATEWAY, new=new.key_id)
    writer.signed(time, "KEY", "gateway", holder=HEAD, new=head.key_id)
    writer.signed(time, "GRANT", "gateway")
    writer.signed(time, "KEY", "new gateway", holder=HEAD, new=head.key_id)
    writer.signed(time, "GRANT", "new gateway")
    writer.signed(time, "TICKET", "head 1")
    writer.signed(time, "TICKET", "new head 1")
    found = writer.verify()
    assert [(p.entry, p.code) for p in found.problems] == [
        (1, "MAML805"),
        (2, "MAML805"),
        (5, "MAML805"),
    ]


def test_a_head_cannot_rotate_its_gateway(writer):
    new = writer.key("new gateway", GATEWAY)
    writer.signed("2026-08-01T10:00:00Z", "KEY", "head 1", holder=GATEWAY, new=new.key_id)
    assert (0, "MAML805", "error") in problems(writer.verify())


def test_a_key_that_stands_for_two_holders_signs_for_both(writer):
    both = KeyRing.of(
        [*writer.keys.values(), trusted_key("ML-DSA-65", writer.keys["head 1"].public, GATEWAY)]
    )
    writer.signed("2026-08-01T11:00:00Z", "GRANT", "head 1")
    writer.signed("2026-08-01T11:00:00Z", "TICKET", "head 1")
    parts = [HistoryPart(parse_tail(b"".join(writer.entries), 1))]
    assert verify(parts, document_id=writer.id, doc=writer.doc, keys=both).ok
    assert not writer.verify().ok


def test_a_time_is_compared_with_the_entry_above_alone(writer):
    for hour in ("10", "08", "09"):
        writer.add(f"- 2026-08-01T{hour}:00:00Z: [NOTE] x\n".encode())
    assert [p[:2] for p in problems(writer.verify())] == [(None, "MAML804"), (1, "MAML807")]
