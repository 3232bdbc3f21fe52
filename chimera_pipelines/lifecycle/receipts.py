"""What the lifecycle hands a journal to be signed, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TicketFields:
    """What the lifecycle knows of an invocation when it signs it.

    Attributes:
        status: `ok`, `failed`, `unverified` or `reused`.
        cuda_ns: CUDA-event time, None when no CUDA kernel ran.
        input_digest, output_digest: `in` and `out` of MAML.md §8.
        head_kind, partition, sandbox: for the ledger; the line does not carry them.
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


@dataclass(frozen=True, slots=True)
class TicketReceipt:
    """A TICKET that lies on disk. `root` is the tree head with it as last entry."""

    seq: int
    key: str
    root: str
    timestamp: str
    signature_digest: str


@dataclass(frozen=True, slots=True)
class GrantReceipt:
    """A GRANT that lies on disk. `root` is the tree head when the receipt was given."""

    seq: int
    key: str
    root: str
    timestamp: str
    signature_digest: str
    expires: str
