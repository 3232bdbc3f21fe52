"""A work that a head was given, the client that hears of it, and what frames tell of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.frames import Bytes, Message
from chimera_pipelines.heads.performer import DeviceLostError, Work


class Peer(Protocol):
    """A client's connection."""

    def send(self, frame: Mapping[str, Any], buffers: Sequence[Bytes] = ()) -> None:
        """Send a frame; OSError when the client is gone."""
        ...

    def hang_up(self) -> None:
        """End the connection."""
        ...


@dataclass(slots=True)
class Job:
    """A work and the client that hears of it."""

    work: Work
    peer: Peer

    @classmethod
    def of(cls, message: Message, peer: Peer) -> Job:
        """The job of a `perform` frame.

        Raises:
            LookupError, TypeError, ValueError: it is no such frame.
        """
        frame = message.frame
        orphan = frame.get("orphan", "finish")
        if orphan not in ("finish", "cancel") or not isinstance(frame["payload"], dict):
            raise ValueError("a work that is none")
        work = Work(
            str(frame["work"]),
            str(frame["performer"]),
            frame["payload"],
            run=str(frame.get("run", "")),
            orphan=orphan,
            buffers=message.buffers,
        )
        return cls(work, peer)

    def saw(self, frame: Mapping[str, Any]) -> None:
        """Follow a frame that the performer emits."""
        if frame["is"] == "start":
            self.work.current = str(frame["key"])
        elif frame["is"] == "end":
            self.work.current = None
            self.work.ended.append(dict(frame))

    def for_adoption(self) -> dict[str, Any]:
        """What a client that takes the work over is told of it."""
        return {
            "work": self.work.id,
            "performer": self.work.performer,
            "payload": self.work.payload,
            "current": self.work.current,
            "ended": list(self.work.ended),
        }

    def rest(self, error: BaseException | None, queued: int) -> dict[str, Any]:
        """The last frame of a work."""
        interrupted = isinstance(error, KeyboardInterrupt)
        return {
            "is": "rest",
            "work": self.work.id,
            "failed": self.work.current,
            "error": None if error is None or interrupted else error_json(error),
            "interrupted": interrupted,
            "cancelled": self.work.cancelled,
            "queued": queued,
            "ends": isinstance(error, DeviceLostError),
        }
