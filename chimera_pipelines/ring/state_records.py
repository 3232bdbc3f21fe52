"""What names a head's saved state: whose it is, and where it was saved (docs/ring.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chimera_pipelines.ring.seal import Cipher


@dataclass(frozen=True, slots=True)
class StateKey:
    """A state that is saved again and again, such as a kernel's register in each pass.

    Attributes:
        name: what of the kernel it is, `register` for its register.
    """

    run: str
    kernel: str
    partition: str | None = None
    name: str = "register"


@dataclass(frozen=True, slots=True)
class StateRef:
    """One saved generation of a state.

    Attributes:
        id: content id of the data.
        head: the head that saved it and whose key sealed it.
        generation: 1 for the first of its key, one more each time.
        bytes: of the data.
        shares: heads whose stores hold a share of it.
        lacking: heads whose stores do not, and why: `checkpoint repair` mends them.
        rewritten: bytes that had to be saved: less than `bytes` where tensors did not change.
        media: what the data is.
    """

    id: str
    key: StateKey
    head: str
    generation: int
    bytes: int
    cipher: Cipher
    shares: tuple[str, ...]
    lacking: Mapping[str, str] = field(default_factory=dict)
    rewritten: int = 0
    media: str = ""

    def as_json(self) -> dict[str, Any]:
        """For events and `--json`."""
        key = self.key
        return {
            "id": self.id,
            "run": key.run,
            "kernel": key.kernel,
            "partition": key.partition,
            "name": key.name,
            "head": self.head,
            "generation": self.generation,
            "bytes": self.bytes,
            "rewritten": self.rewritten,
            "encryption": str(self.cipher),
            "shares": list(self.shares),
            "lacking": dict(self.lacking),
        }
