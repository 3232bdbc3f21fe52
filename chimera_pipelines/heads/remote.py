"""A head of another process: the second form of `Head`, its operations as frames.

One connection to one incarnation. When that dies, every operation says so (CHIM714); registers die
with it, and whoever holds their snapshots restores them on the next.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads import wire
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.error_frames import error_of
from chimera_pipelines.heads.frames import Bytes, Message, WireError
from chimera_pipelines.heads.protocol import HeadInfo, Measurements, RegisterHandle
from chimera_pipelines.heads.register_frames import embedding_json, info_of
from chimera_pipelines.heads.state import State
from chimera_pipelines.heads.tls import Tls
from chimera_pipelines.quantum.budget import Shots, shots_as_json
from chimera_pipelines.quantum.embedding import Embedding
from chimera_pipelines.quantum.record import CircuitRecord
from chimera_pipelines.settings import settings


class RemoteHead:
    """A client of a head process; implements `Head`. Threads take turns.

    Args:
        head: HEAD_1 … HEAD_4.
        connection: to its process.
    """

    def __init__(self, head: str, connection: wire.Connection) -> None:
        self._head = head
        self._connection = connection
        self._turn = threading.Lock()
        self._numbers = itertools.count()

    @classmethod
    def of(cls, directory: Path, head: str) -> RemoteHead:
        """The incarnation of a head that runs under the agent of a directory.

        Raises:
            HeadUnavailableError: CHIM714, it does not run.
            UsageError, WireError: as `HeadsDirectory.read` and `wire.connect`.
        """
        state = HeadsDirectory(directory).read()
        if state is None:
            raise _gone(head, "it does not run, for there is no agent")
        return cls.at(directory, head, state)

    @classmethod
    def at(cls, directory: Path, head: str, state: State) -> RemoteHead:
        """The incarnation of a head that `state` tells of; arguments and errors as `of`."""
        entry = state.heads.get(head)
        if entry is None or entry.address is None:
            raise _gone(head, "it does not run")
        try:
            tls = Tls.calling(entry.address, head, settings())
            connection = wire.connect(entry.address, state.secret, directory=directory, tls=tls)
        except (OSError, EOFError) as error:
            raise _gone(head, str(error)) from error
        return cls(head, connection)

    def describe(self) -> HeadInfo:
        """Identity, device, tags and memory."""
        return info_of(self._value("describe"))

    def open(self, spec: Any) -> Any:
        """Session objects do not cross processes; `session` asks for what one does.

        Raises:
            HeadUnavailableError: CHIM706, always.
        """
        raise HeadUnavailableError(
            "CHIM706",
            f"{self._head} opens no sessions for another process",
            hint="open the session where the kernel's step runs",
        )

    def expect_circuits(self) -> None:
        """See `Head.expect_circuits`."""
        self._value("expect_circuits")

    def embed(
        self,
        circuits: tuple[CircuitRecord, ...],
        is_list: bool,  # noqa: FBT001 - as in `Head.embed`
        embedding: Embedding | None = None,
        *,
        method: str = "automatic",
        precision: str = "double",
        noise: Mapping[str, float] | None = None,
    ) -> RegisterHandle:
        """Phase 2; see `Head.embed`."""
        value = self._value(
            "embed",
            circuits=[circuit.as_json() for circuit in circuits],
            is_list=is_list,
            embedding=None if embedding is None else embedding_json(embedding),
            method=method,
            precision=precision,
            noise=None if noise is None else dict(noise),
        )
        return RegisterHandle.from_json(value)

    def propagate(
        self,
        handle: RegisterHandle,
        *,
        shots: Shots,
        seed: int,
        observable: Mapping[str, float] | None = None,
    ) -> RegisterHandle:
        """Phase 3; see `Head.propagate`."""
        value = self._value(
            "propagate",
            handle=handle.as_json(),
            shots=shots_as_json(shots),
            seed=seed,
            observable=observable,
        )
        return RegisterHandle.from_json(value)

    def measure(
        self,
        handle: RegisterHandle,
        *,
        shots: Shots,
        seed: int,
        observable: Mapping[str, float] | None = None,
    ) -> Measurements:
        """Phase 4; see `Head.measure`."""
        value = self._value(
            "measure",
            handle=handle.as_json(),
            shots=shots_as_json(shots),
            seed=seed,
            observable=observable,
        )
        return Measurements.from_json(value)

    def snapshot(self, handle: RegisterHandle) -> bytes:
        """A register as safetensors."""
        return bytes(self._ask({"op": "snapshot", "handle": handle.as_json()}).buffers[0])

    def restore(self, data: Bytes) -> RegisterHandle:
        """A register from a snapshot; see `Head.restore`."""
        return RegisterHandle.from_json(self._ask({"op": "restore"}, (data,)).frame["value"])

    def drop(self, handle: RegisterHandle) -> None:
        """Forget a register; one of another process is gone already."""
        self._value("drop", handle=handle.as_json())

    def session(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        buffers: Sequence[Bytes] = (),
        *,
        within_s: float,
    ) -> Message:
        """Ask the head's desk (`heads.desk`) for something in the session of this connection.

        Args:
            operation: "open", "load" or "call".
            arguments: of it.
            buffers: that go with it.
            within_s: after which the head counts as dead.

        Raises:
            HeadUnavailableError: CHIM714, the head is gone, or says nothing in time.
            ChimeraError: as the desk answered.
        """
        return self._ask({"op": operation, **arguments}, buffers, do="session", within_s=within_s)

    def hang_up(self) -> None:
        """Let whoever waits for an answer hear that there is none; from any thread."""
        self._connection.hang_up()

    def close(self) -> None:
        """Hang up; the head and its registers stay."""
        self._connection.hang_up()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _value(self, operation: str, **arguments: Any) -> Any:
        return self._ask({"op": operation, **arguments}).frame["value"]

    def _ask(
        self,
        asked: Mapping[str, Any],
        buffers: Sequence[Bytes] = (),
        *,
        do: str = "register",
        within_s: float | None = None,
    ) -> Message:
        with self._turn:
            number = next(self._numbers)
            try:
                self._connection.settimeout(within_s)
                self._connection.send({"do": do, "id": number, **asked}, buffers)
                answer = self._connection.receive()
            except (OSError, EOFError) as error:
                self._connection.hang_up()  # an answer that comes late is nobody's
                said = isinstance(error, TimeoutError)
                what = f"no answer within {within_s:g} s" if said else "it hung up"
                raise _gone(self._head, what) from error
            except WireError:
                self._connection.hang_up()  # what follows on it cannot be trusted either
                raise
        if answer.frame["error"] is not None:
            raise error_of(answer.frame["error"])
        return answer


def _gone(head: str, what: str) -> HeadUnavailableError:
    return HeadUnavailableError(
        "CHIM714",
        f"{head} does not answer: {what}",
        hint="its registers are gone; restore them from their snapshots on the next incarnation",
    )
