"""Registers of one head: created, held between phases, dropped; every byte accounted for.

A *spare* is a register that a new process brought back for whoever may ask for it by its content
id. It can be loaded again, so it makes way for any register that needs its room.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chimera_pipelines.errors import KernelError
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.noise import Noise
from chimera_pipelines.quantum.engines.protocol import Held


@dataclass(frozen=True, slots=True)
class EmbeddedRegister:
    """Circuits that wait to be propagated, and how."""

    circuits: tuple[Embedded, ...]
    is_list: bool
    method: str
    precision: str
    noise: Noise | None = None

    stage: Literal["embedded"] = "embedded"

    @property
    def nbytes(self) -> int:
        """Approximate bytes of operations and amplitudes."""
        return sum(
            64
            + 128 * len(circuit.record.operations)
            + 32 * sum(len(factor.amplitudes) for factor in circuit.factors)
            for circuit in self.circuits
        )


@dataclass(frozen=True, slots=True)
class PropagatedRegister:
    """Circuits that wait to be measured: state vectors or outcomes."""

    held: tuple[Held, ...]
    is_list: bool
    cuda_ns: int | None = None

    stage: Literal["propagated"] = "propagated"

    @property
    def nbytes(self) -> int:
        """Bytes of the states and outcomes."""
        return sum(item.nbytes for item in self.held)


Content: TypeAlias = EmbeddedRegister | PropagatedRegister


class RegisterBank:
    """What one process of a head holds; safe to use from several threads."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity = capacity_bytes
        self._content: dict[int, Content] = {}
        self._spares: dict[str, int] = {}
        self._used = 0
        self._next = 1
        self._lock = threading.Lock()

    @property
    def capacity(self) -> int:
        """Bytes that registers may take together."""
        return self._capacity

    @property
    def used(self) -> int:
        """Bytes that registers take now."""
        return self._used

    @property
    def free(self) -> int:
        """Bytes that are left."""
        return self._capacity - self._used

    def create(self, content: Content) -> int:
        """Keep a register; its number.

        Raises:
            KernelError: MAML413 when it does not fit, with the bytes needed and free.
        """
        size = content.nbytes
        with self._lock:
            while size > self.free and self._spares:
                self._drop(self._spares.pop(next(iter(self._spares))))
            if size > self.free:
                raise KernelError(
                    "MAML413",
                    f"a register needs {size} bytes; {self.free} of {self._capacity} are free",
                    phase="embed" if content.stage == "embedded" else "propagate",
                    hint="run fewer circuits at once, or on a head with more memory",
                )
            return self._put(content, size)

    def _put(self, content: Content, size: int) -> int:
        number = self._next
        self._next += 1
        self._content[number] = content
        self._used += size
        return number

    def keep_spare(self, content_id: str, content: Content) -> bool:
        """Keep a register until its room is needed; False when there is none for it."""
        size = content.nbytes
        with self._lock:
            if size > self.free or content_id in self._spares:
                return False
            self._spares[content_id] = self._put(content, size)
            return True

    def claim(self, content_id: str) -> int | None:
        """The number of a spare, which is none any more; None when there is no such."""
        with self._lock:
            return self._spares.pop(content_id, None)

    def make_room(self) -> int:
        """Bytes that may be taken now, spares given up where they hold half of the bank."""
        with self._lock:
            spare = sum(self._content[number].nbytes for number in self._spares.values())
            if 2 * spare >= self._capacity:
                for number in self._spares.values():
                    self._drop(number)
                self._spares.clear()
            return self.free

    def get(self, number: int) -> Content:
        """A register.

        Raises:
            KernelError: CHIM703 when it is not here (any more).
        """
        content = self._content.get(number)
        if content is None:
            raise KernelError(
                "CHIM703",
                f"register {number} is not in the bank",
                phase="propagate",
                hint="restore it from its snapshot",
            )
        return content

    def drop(self, number: int) -> None:
        """Forget a register; one that is gone already is no error."""
        with self._lock:
            self._drop(number)

    def _drop(self, number: int) -> None:
        content = self._content.pop(number, None)
        if content is not None:
            self._used -= content.nbytes

    def __len__(self) -> int:
        return len(self._content)
