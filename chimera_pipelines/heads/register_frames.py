"""Register operations of a head as frames: what `Head` offers, for a caller in another process.

A frame names the operation and its arguments; the answer holds `value`, or `error`. Snapshots are
the one thing that travels as a raw buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.frames import Bytes, Message
from chimera_pipelines.heads.protocol import Head, HeadInfo, RegisterHandle
from chimera_pipelines.quantum.budget import shots_from_json
from chimera_pipelines.quantum.embedding import Embedding

Answer: TypeAlias = "tuple[dict[str, Any], tuple[Bytes, ...]]"


def serve(head: Head, message: Message) -> Answer:
    """Do the operation of a frame on a head; its answer, an error included."""
    frame = message.frame
    answer = {"is": "register", "id": frame["id"]}
    operation = _OPERATIONS[frame["op"]]
    try:
        value, buffers = operation(_Asked(head, frame, message.buffers))
    except Exception as error:  # noqa: BLE001 - whoever asked gets it
        return {**answer, "error": error_json(error)}, ()
    return {**answer, "value": value, "error": None}, buffers


_Done: TypeAlias = "tuple[Any, tuple[Bytes, ...]]"


@dataclass(frozen=True, slots=True)
class _Asked:
    """One operation, asked of a head."""

    head: Head
    frame: Mapping[str, Any]
    buffers: tuple[memoryview, ...]

    @property
    def handle(self) -> RegisterHandle:
        return RegisterHandle.from_json(self.frame["handle"])

    @property
    def options(self) -> dict[str, Any]:
        shots = shots_from_json(self.frame["shots"])
        return {"shots": shots, **{name: self.frame[name] for name in ("seed", "observable")}}

    def describe(self) -> _Done:
        return self.head.describe().as_json(), ()

    def embed(self) -> _Done:
        from chimera_pipelines.quantum.record import CircuitRecord

        frame = self.frame
        circuits = tuple(CircuitRecord.from_json(item) for item in frame["circuits"])
        embedding = None if frame["embedding"] is None else embedding_of(frame["embedding"])
        handle = self.head.embed(
            circuits,
            bool(frame["is_list"]),
            embedding,
            method=frame["method"],
            precision=frame["precision"],
            noise=frame.get("noise"),
        )
        return handle.as_json(), ()

    def propagate(self) -> _Done:
        return self.head.propagate(self.handle, **self.options).as_json(), ()

    def measure(self) -> _Done:
        return self.head.measure(self.handle, **self.options).as_json(), ()

    def snapshot(self) -> _Done:
        return None, (self.head.snapshot(self.handle),)

    def restore(self) -> _Done:
        return self.head.restore(bytes(self.buffers[0])).as_json(), ()

    def drop(self) -> _Done:
        self.head.drop(self.handle)
        return None, ()

    def expect_circuits(self) -> _Done:
        self.head.expect_circuits()
        return None, ()


_OPERATIONS: Mapping[str, Callable[[_Asked], _Done]] = {
    "describe": _Asked.describe,
    "embed": _Asked.embed,
    "propagate": _Asked.propagate,
    "measure": _Asked.measure,
    "snapshot": _Asked.snapshot,
    "restore": _Asked.restore,
    "drop": _Asked.drop,
    "expect_circuits": _Asked.expect_circuits,
}


def embedding_json(embedding: Embedding) -> dict[str, Any]:
    """An embedding as a frame carries it."""
    rows = [[number_json(number) for number in row] for row in embedding.rows]
    return {**asdict(embedding), "rows": rows}


def embedding_of(value: Mapping[str, Any]) -> Embedding:
    """The inverse of `embedding_json`.

    Raises:
        TypeError: it has other fields.
    """
    rows = tuple(tuple(map(number_of, row)) for row in value["rows"])
    return Embedding(**{**value, "rows": rows})


def number_json(number: complex) -> Any:
    """A feature as a frame carries it: a float, or a pair where it is complex."""
    return [number.real, number.imag] if isinstance(number, complex) else number


def number_of(value: Any) -> complex:
    """The inverse of `number_json`."""
    return complex(*value) if isinstance(value, list) else float(value)


def info_of(value: Mapping[str, Any]) -> HeadInfo:
    """A head's description, as `HeadInfo.as_json` wrote it."""
    return HeadInfo(**{**value, "tags": frozenset(value["tags"])})
