"""What Ray runs on each machine: it starts our agent there, and speaks for it.

The agent is a process of its own, started anew at each `watch` that finds none, so that whoever
places can fence the old one first. It ends with this actor, and its heads with it. Secrets reach a
machine in a file of the shared home, never through Ray.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import ChimeraError
from chimera_pipelines.heads import wire
from chimera_pipelines.heads.attach import AgentHandle, start_agent
from chimera_pipelines.heads.directory import HeadsDirectory
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.nodes import ORDER, claim
from chimera_pipelines.heads.recipe import Recipe
from chimera_pipelines.heads.state import CONTROL, State
from chimera_pipelines.settings import Settings

WATCH_S = 1.0
_ANSWER_S = 5.0
_OF_THE_MACHINE = ("tls_certificate", "tls_key", "tls_authority")


class NodeAgent:
    """The actor of one machine.

    Args:
        nodes: folder of `nodes.make`, on storage that all machines share.
        slot: number of the group of heads that run here.
        heads: the group.
    """

    def __init__(self, nodes: str, slot: int, heads: Sequence[str]) -> None:
        self._nodes = Path(nodes)
        self._slot = slot
        self._heads = tuple(heads)
        self._starting = threading.Lock()
        self._running: _Running | None = None
        self._dropped: list[str] = []

    def watch(self, version: int | None) -> dict[str, Any]:
        """The state of the heads here when it is another than `version`, or after a second.

        Returns:
            `{"folder", "version", "heads": {head: {"entry", "beat"}}, "dropped"}`, of which
            `dropped` says what it was asked and did not take; `{"error"}` when the agent does not
            start; `{"gone": folder}` when it has died: the next call starts another.
        """
        with self._starting:
            running = self._running
            if running is None:
                try:
                    running = self._running = self._start()
                except ChimeraError as error:
                    return {"error": error_json(error)}
        found = running.changes(version)
        if "gone" in found:
            running.close()
            self._running = None
            return found
        dropped, self._dropped = self._dropped, []
        return {**found, "dropped": dropped}

    def request(self, frame: Mapping[str, Any]) -> None:
        """Hand a control request on to the agent here; `watch` tells when it does not take it."""
        running = self._running
        if running is None:
            return
        try:
            running.ask(frame)
        except (OSError, EOFError, ChimeraError) as error:
            what = f"{frame['do']} {frame.get('head', '')}".rstrip()
            self._dropped.append(f"{what}: {type(error).__name__} {error}".rstrip())

    def stop(self) -> None:
        """End the agent and its heads."""
        running, self._running = self._running, None
        if running is not None:
            running.close()

    def _start(self) -> _Running:
        import ray

        order = json.loads((self._nodes / ORDER).read_bytes())
        folder, silent = claim(self._nodes, self._slot)
        secret = folder / "secret"
        secret.touch(mode=0o600, exist_ok=False)
        secret.write_text(order["secret"])
        # Ray sets this to the share of a processor that it was asked for.
        os.environ.pop("OMP_NUM_THREADS", None)
        here = Settings()
        own = {name: getattr(here, name) for name in _OF_THE_MACHINE if getattr(here, name)}
        settings = Settings(**{**order["settings"], **own})
        address = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        options = ["--listen", f"tcp:{address}", "--secret", str(secret)]
        recipe = Recipe(
            settings,
            order["performers"],
            tuple(order["preload"]),
            options=(*options, *([] if silent is None else ["--inherits", str(silent)])),
        )
        handle = start_agent(recipe, folder, owner=os.getpid())
        handle.wait()
        return _Running(handle, self._heads)


class _Running:
    """An agent here and a connection that follows it."""

    def __init__(self, handle: AgentHandle, heads: Sequence[str]) -> None:
        self._handle = handle
        self._heads = heads
        self._changed = threading.Condition()
        self._version = 0
        self._state: State | None = None
        self._over = False
        self._beats: Mapping[str, Any] = {}
        state = HeadsDirectory(handle.directory).read()
        self._secret = b"" if state is None else state.secret
        threading.Thread(target=self._follow, daemon=True).start()

    def changes(self, version: int | None) -> dict[str, Any]:
        """See `NodeAgent.watch`."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._over or (self._state is not None and self._version != version),
                WATCH_S,
            )
            if self._over:
                return {"gone": str(self._handle.directory)}
            state, version = self._state, self._version
        beats: Mapping[str, Any] = {}
        with suppress(OSError, EOFError, ChimeraError):
            beats = self.ask({"do": "status"})["heads"]
        entries = {} if state is None else state.as_json(secret=False)["heads"]
        heads = {
            head: {"entry": entries[head], "beat": beats.get(head, {}).get("beat", {})}
            for head in self._heads
            if head in entries
        }
        return {"folder": str(self._handle.directory), "version": version, "heads": heads}

    def ask(self, frame: Mapping[str, Any]) -> dict[str, Any]:
        """The agent's answer to a control request.

        Raises:
            OSError, EOFError, ChimeraError: it gives none, or not in time.
        """
        with self._connected() as connection:
            connection.settimeout(_ANSWER_S)
            connection.send(frame)
            return connection.receive().frame

    def close(self) -> None:
        """End the agent."""
        self._handle.close()

    def _connected(self) -> wire.Connection:
        folder = self._handle.directory
        return wire.connect(CONTROL, self._secret, directory=folder, timeout_s=_ANSWER_S)

    def _follow(self) -> None:
        try:
            with self._connected() as connection:
                connection.send({"do": "watch"})
                while True:
                    frame = connection.receive().frame
                    with self._changed:
                        self._state = State.from_json(frame["state"], secret=self._secret)
                        self._version += 1
                        self._changed.notify_all()
        except (OSError, EOFError, ChimeraError):
            pass
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
