"""Tables of the ledger. Rows are only ever added; what changes is a later row.

`chain` has one row for every row of the others, in the order in which they were written: the digest
of its contents and a link, SHA-256 over the link before and the digest. Editing, removing or
inserting a row breaks every later link.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text

metadata = MetaData()


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


runs = Table(
    "runs",
    metadata,
    _id(),
    Column("run_id", Text, nullable=False, index=True),
    Column("document_id", Text, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("timestamp", Text, nullable=False),
    Column("principal", Text),
)

tickets = Table(
    "tickets",
    metadata,
    _id(),
    Column("leaf", Text, nullable=False, unique=True),
    Column("document_id", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    Column("timestamp", Text, nullable=False),
    Column("doc", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("signature_digest", Text, nullable=False),
    Column("run_id", Text),
    Column("granted_to", Text),
    Column("kernel", Text),
    Column("status", Text),
    Column("head", Text),
    Column("head_kind", Text),
    Column("cuda_ns", BigInteger),
    Column("input_digest", Text),
    Column("output_digest", Text),
    Column("partition", Text),
    Column("sandbox", Text),
    Index("tickets_by_run", "run_id", "action"),
    Index("tickets_by_input", "input_digest", "head_kind", "status"),
    Index("tickets_by_output", "slug", "kernel", "status"),
)

tree_heads = Table(
    "tree_heads",
    metadata,
    _id(),
    Column("document_id", Text, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("root", Text, nullable=False),
    Column("timestamp", Text, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _id(),
    Column("content_id", Text, nullable=False, index=True),
    Column("document_id", Text, nullable=False),
    Column("kernel", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("shares", Integer, nullable=False),
    Column("timestamp", Text, nullable=False),
)

# Written by earlier versions, for which `observations` stands now; kept, so that the chain of their
# ledgers holds.
reputation = Table(
    "reputation",
    metadata,
    _id(),
    Column("head", Text, nullable=False, index=True),
    Column("leaf", Text, nullable=False),
    Column("good", Integer, nullable=False),
    Column("weight", Float, nullable=False),
)

wallet = Table(
    "wallet",
    metadata,
    _id(),
    Column("agent", Text, nullable=False, index=True),
    Column("leaf", Text, nullable=False),
    Column("tokens", Integer, nullable=False),
)

# How long the attempt that a ticket ends took, phase by phase: History does not say it.
phase_seconds = Table(
    "phase_seconds",
    metadata,
    _id(),
    Column("leaf", Text, nullable=False, index=True),
    Column("head_kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("failed_phase", Text),
    Column("deserialize", Float),
    Column("embed", Float),
    Column("propagate", Float),
    Column("measure", Float),
    Column("feedback", Float),
    Column("waited", Float),
)

# What happens outside of tickets and is counted all the same: ledger/tallies.py names the kinds.
tallies = Table(
    "tallies",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("value", BigInteger, nullable=False),
    Column("timestamp", Text, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    _id(),
    Column("document_id", Text, nullable=False, index=True),
    Column("slug", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("timestamp", Text, nullable=False),
)

head_events = Table(
    "head_events",
    metadata,
    _id(),
    Column("head", Text, nullable=False, index=True),
    Column("incarnation", Integer, nullable=False),
    Column("agent", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("timestamp", Text, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    _id(),
    Column("head", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("timestamp", Text, nullable=False),
    Column("work", Text),
    Column("seconds", Float),
    Column("code", Text),
    Index("observations_by_head", "head", "id"),
    Index("observations_by_reference", "reference"),
)

standings = Table(
    "standings",
    metadata,
    _id(),
    Column("head", Text, nullable=False),
    Column("upto", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("timestamp", Text, nullable=False),
    Index("standings_by_head", "head", "id"),
)

chain = Table(
    "chain",
    metadata,
    _id(),
    Column("table", Text, nullable=False),
    Column("row", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("link", Text, nullable=False),
)
