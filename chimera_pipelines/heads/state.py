"""What an agent publishes of itself and its heads: `state.json`, chimera.heads.state/1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.frames import VERSION
from chimera_pipelines.heads.performer import Predecessor
from chimera_pipelines.heads.protocol import HeadKind

SCHEMA = "chimera.heads.state/1"
CONTROL = "unix:control.sock"

HeadState = Literal["down", "starting", "idle", "busy", "regenerating"]
KINDS: Mapping[str, HeadKind] = {
    "HEAD_1": "quantum",
    "HEAD_2": "quantum",
    "HEAD_3": "ai",
    "HEAD_4": "ai",
}


@dataclass(frozen=True, slots=True)
class HeadEntry:
    """One head as the agent publishes it.

    Attributes:
        address: of this incarnation; None while it is down.
        created: start of the process (`proc.ProcessLook`), with `pid` its identity.
        incarnation: of the process that runs or ran last; 0 before the first.
        state: "idle" here also while it is busy: beats of the head tell that, to `status`.
        started: seconds since 1970 when the process was forked.
        start_s: seconds from fork to its first sign that it is ready.
        before: how the incarnation before it ended.
        problem: why it is down and stays so (CHIM716, CHIM740).
    """

    kind: HeadKind
    device: Literal["cpu", "gpu"]
    address: str | None = None
    pid: int | None = None
    created: int | None = None
    incarnation: int = 0
    state: HeadState = "down"
    started: float | None = None
    start_s: float | None = None
    before: Predecessor | None = None
    problem: str | None = None

    @property
    def answers(self) -> bool:
        """Whether a process is there to be connected to; it may still be starting."""
        return self.address is not None and self.pid is not None

    @property
    def remote(self) -> bool:
        """Whether it may run on another machine, where its pid is."""
        return self.address is not None and self.address.startswith("tcp:")

    @property
    def process(self) -> tuple[int, int] | None:
        """Pid and beginning of its process on this machine."""
        if self.remote or self.pid is None or self.created is None:
            return None
        return self.pid, self.created

    def refusal(self, head: str) -> HeadUnavailableError | None:
        """CHIM716 or CHIM740, why it stays down; None when it does not."""
        if self.problem is None:
            return None
        if "CHIM740" in self.problem:
            hint = f"when that is put right, 'chimera heads restart {head}'"
            return HeadUnavailableError("CHIM740", self.problem, hint=hint)
        return HeadUnavailableError(
            "CHIM716",
            f"{head} stays down: {self.problem}",
            hint="the agent's log, agent.log in its folder, says why",
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> HeadEntry:
        """The inverse of `dataclasses.asdict`.

        Raises:
            TypeError: it has other fields.
        """
        before = value.get("before")
        known = {**value, "before": None if before is None else Predecessor(**before)}
        return cls(**known)


@dataclass(frozen=True, slots=True)
class State:
    """An agent and its heads.

    Attributes:
        agent: id of the agent, new for each.
        created: start of its process (`proc.ProcessLook`).
        secret: opens its sockets.
        performers: "module:Class" by name.
        settings: digest of the settings that its heads have.
    """

    agent: str
    pid: int
    created: int
    secret: bytes = field(repr=False)
    performers: Mapping[str, str]
    settings: str
    heads: Mapping[str, HeadEntry]

    def as_json(self, *, secret: bool) -> dict[str, Any]:
        """As the file has it; for a frame without the secret."""
        return {
            "schema": SCHEMA,
            "protocol": VERSION,
            "agent": self.agent,
            "pid": self.pid,
            "created": self.created,
            **({"secret": self.secret.hex()} if secret else {}),
            "performers": dict(self.performers),
            "settings": self.settings,
            "heads": {head: asdict(entry) for head, entry in self.heads.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, secret: bytes | None = None) -> State:
        """The inverse of `as_json`.

        Args:
            value: of a file or a frame.
            secret: for a frame, which has none.

        Raises:
            HeadUnavailableError: CHIM712, another version.
            LookupError, TypeError, ValueError: no state.
        """
        if (value["schema"], value["protocol"]) != (SCHEMA, VERSION):
            raise HeadUnavailableError(
                "CHIM712",
                f"the agent publishes {value['schema']!r}, protocol {value['protocol']!r}; this "
                f"version reads {SCHEMA!r}, protocol {VERSION}",
                hint="run 'chimera heads down' with the version that started it",
            )
        return cls(
            str(value["agent"]),
            int(value["pid"]),
            int(value["created"]),
            bytes.fromhex(value["secret"]) if secret is None else secret,
            {str(name): str(target) for name, target in value["performers"].items()},
            str(value["settings"]),
            {str(head): HeadEntry.from_json(entry) for head, entry in value["heads"].items()},
        )
