"""What the lifecycle hands a journal to be signed, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass

from chimera_pipelines.ledger.readings import Reading


@dataclass(frozen=True, slots=True)
class TicketFields:
    """What the lifecycle knows of an invocation when it signs it.

    Attributes:
        status: `ok`, `failed`, `unverified` or `reused`.
        cuda_ns: CUDA-event time, None when no CUDA kernel ran.
        input_digest, output_digest: `in` and `out` of MAML.md §8.
        head_kind, partition, sandbox: for the ledger; the line does not carry them.
        attempt: which one it is of; a failed attempt is signed once. None: always sign.
        reading: what was measured of the attempt, for the ledger; its leaf is not known yet.
    """

    run_id: str
    kernel: str
    status: str
    head: str
    head_kind: str
    cuda_ns: int | None
    input_digest: str
    output_digest: str
    partition: str | None = None
    sandbox: str | None = None
    attempt: int | None = None
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class TicketReceipt:
    """A TICKET that lies on disk. `root` is the tree head with it as last entry."""

    seq: int
    key: str
    root: str
    timestamp: str
    signature_digest: str


@dataclass(frozen=True, slots=True)
class SignedTicket:
    """A TICKET of a History: new, or the one that stood already for the same invocation.

    Attributes:
        output_digest: `out` of the ticket; not what was asked for, when another one stood.
    """

    receipt: TicketReceipt
    kernel: str
    status: str
    head: str
    cuda_ns: int | None
    input_digest: str
    output_digest: str


@dataclass(frozen=True, slots=True)
class GrantReceipt:
    """A GRANT that lies on disk. `root` is the tree head when the receipt was given."""

    seq: int
    key: str
    root: str
    timestamp: str
    signature_digest: str
    expires: str
