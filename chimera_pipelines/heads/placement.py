"""`python -m chimera_pipelines.heads.placement FD`: has Ray place an agent on each machine.

Ray decides where, gives GPUs out and starts an agent again where its machine is gone. It is told
nothing else: steps go from run to head over our own connections. One actor for each machine, at
most four, with its share of the four heads, quantum and AI heads on each where two machines or more
are there; an actor would like to be on its machine and goes to another when that is gone.

A machine counts as gone when its actor does not answer. Then its agent's folder is renamed, which
fences its heads (`nodes.fence`), before another agent is started for them.

Nothing is left when this process ends: Ray ends the actors of a driver, agents end with their
actor, heads with their agent.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chimera_pipelines.errors import ChimeraError, HeadUnavailableError
from chimera_pipelines.heads.channel import Channel
from chimera_pipelines.heads.error_frames import error_json
from chimera_pipelines.heads.node_agent import WATCH_S, NodeAgent
from chimera_pipelines.heads.nodes import ORDER, fence, make, remove
from chimera_pipelines.heads.state import KINDS
from chimera_pipelines.settings import settings

MOST_NODES = 4
# Heads compute on processors that Ray does not count. A small share leaves room on the machine
# that must take all of them.
CPUS = 0.1
_ANSWER_S = 10.0
_PAUSE_S = 0.2
_PROBE_S = 5.0
_STOP_S = 6.0
_log = logging.getLogger(__name__)


def groups(heads: Sequence[str], nodes: int) -> list[tuple[str, ...]]:
    """Shares of the heads, one a machine: neighbours, which are of one kind, go apart."""
    return [tuple(heads[start::nodes]) for start in range(min(nodes, len(heads)))]


def choose(nodes: Sequence[Mapping[str, Any]], gpus: float) -> list[str]:
    """Ids of the machines that get an agent.

    Args:
        nodes: as `ray.nodes()` gives them.
        gpus: that each must have.

    Raises:
        HeadUnavailableError: CHIM757, no machine has them.
    """
    fit = [
        node
        for node in nodes
        if node["Alive"]
        and node["Resources"].get("CPU", 0.0) >= CPUS
        and node["Resources"].get("GPU", 0.0) >= gpus
    ]
    if not fit:
        wanted = f"{CPUS:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")
        raise HeadUnavailableError(
            "CHIM757",
            f"none of the cluster's {len(nodes)} machines has {wanted} for heads",
            hint="see 'ray status'",
        )
    return sorted(str(node["NodeID"]) for node in fit)[:MOST_NODES]


@dataclass(slots=True)
class Slot:
    """An actor and its group of heads.

    Attributes:
        wanted: heads to start wherever the group is.
        folder: of the agent that answers; None: none does.
    """

    number: int
    heads: tuple[str, ...]
    actor: Any
    wanted: set[str] = field(default_factory=set)
    folder: str | None = None
    heard: float = 0.0


class Placement:
    """Actors on a cluster, and one thread that follows each.

    Args:
        channel: to the agent.
        order: what it sent first (`remote_keeper.Placer`).
        ray: the module, connected.
    """

    def __init__(self, channel: Channel, order: Mapping[str, Any], ray: Any) -> None:
        self._channel = channel
        self._ray = ray
        self._heads = Path(order["folder"])
        self._agent = str(order["agent"])
        self._nodes = make(self._heads, self._agent)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        chosen = choose(ray.nodes(), order["gpus"])
        self._write(order)
        self._slots = [
            Slot(number, heads, self._actor(number, heads, chosen[number], order["gpus"]))
            for number, heads in enumerate(groups(tuple(KINDS), len(chosen)))
        ]
        self._threads = [
            threading.Thread(target=self._follow, args=(slot,), daemon=True) for slot in self._slots
        ]

    def run(self) -> None:
        """Follow the actors, and do what the agent asks, until it is gone or asks to stop."""
        for thread in self._threads:
            thread.start()
        while (message := self._channel.receive()) is not None and message["do"] != "stop":
            self._asked(message)
        self.close()

    def close(self) -> None:
        """End everything that was placed."""
        self._closing.set()
        stops = [slot.actor.stop.remote() for slot in self._slots]
        self._ray.wait(stops, num_returns=len(stops), timeout=_STOP_S)
        for slot in self._slots:
            self._ray.kill(slot.actor)
        for thread in self._threads:
            thread.join(WATCH_S)
        remove(self._heads, self._agent)

    def _write(self, order: Mapping[str, Any]) -> None:
        """What each machine needs to know, secrets with it, for our user alone."""
        now = settings()
        fields = {**now.model_dump(mode="json"), "home": str(now.root)}
        names = ("secret", "performers", "preload")
        text = json.dumps({**{name: order[name] for name in names}, "settings": fields})
        draft = self._nodes / f".{ORDER}.{os.getpid()}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - of a handle
            file.write(text)
        draft.replace(self._nodes / ORDER)

    def _actor(self, number: int, heads: Sequence[str], node: str, gpus: float) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = self._ray.remote(NodeAgent).options(
            name=f"heads-{number}",
            num_cpus=CPUS,
            num_gpus=gpus,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=8,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True),
        )
        return actor.remote(str(self._nodes), number, list(heads))

    def _asked(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            slot = next(slot for slot in self._slots if message["head"] in slot.heads)
            slot.wanted.add(message["head"])
            if slot.folder is not None:
                slot.actor.request.remote(dict(message))

    def _follow(self, slot: Slot) -> None:
        """Tell the agent what becomes of a group of heads."""
        version = None
        slot.heard = time.monotonic()
        while not self._closing.is_set():
            try:
                version = self._watched(slot, version)
            except Exception:  # noqa: BLE001 - a thread that ends leaves its heads to nobody
                _log.exception("heads %s: tried again", ", ".join(slot.heads))
                version = None
                self._closing.wait(_PAUSE_S)

    def _watched(self, slot: Slot, version: int | None) -> int | None:
        """Ask an actor once; the version to ask for next."""
        try:
            asked = slot.actor.watch.remote(version)
            told = self._ray.get(asked, timeout=WATCH_S + _ANSWER_S)
        except self._ray.exceptions.RayError as error:
            self._lost(slot, f"its machine does not answer ({type(error).__name__})")
            self._closing.wait(_PAUSE_S)
            return None
        slot.heard = time.monotonic()
        return self._heard(slot, told)

    def _heard(self, slot: Slot, told: Mapping[str, Any]) -> int | None:
        """Pass on what an actor told; the version to ask for next."""
        if "error" in told:
            self._tell({"is": "error", "heads": slot.heads, "error": told["error"]})
            self._closing.wait(WATCH_S)
            return None
        if "gone" in told:
            self._lost(slot, "its agent is gone")
            return None
        for what in told.get("dropped", ()):
            heads = ", ".join(slot.heads)
            _log.warning("heads %s: the agent there did not take a request: %s", heads, what)
        folder = str(told["folder"])
        if not Path(folder).exists():
            # Fenced while it could not be reached; Ray starts the actor again without it.
            self._ray.kill(slot.actor, no_restart=False)
            return None
        with self._lock:
            if slot.folder != folder:
                slot.folder = folder
                for head in sorted(slot.wanted):
                    slot.actor.request.remote({"do": "start", "head": head})
        self._tell({"is": "heads", "heads": told["heads"]})
        return int(told["version"])

    def _lost(self, slot: Slot, reason: str) -> None:
        folder = slot.folder
        if folder is None or self._closing.is_set():
            return
        _log.warning("heads %s: %s", ", ".join(slot.heads), reason)
        silent = time.monotonic() - slot.heard
        fence(Path(folder), silent_s=silent)
        with self._lock:
            slot.folder = None
        self._tell({"is": "lost", "heads": slot.heads, "reason": reason, "detect_s": silent})

    def _tell(self, message: Mapping[str, Any]) -> None:
        with suppress(OSError):  # the agent is gone: `run` sees that
            self._channel.send(message)


def connected(address: str, namespace: str) -> Any:
    """The module `ray`, connected to a cluster that runs.

    Raises:
        HeadUnavailableError: CHIM756 it is not installed, CHIM757 there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise HeadUnavailableError(
            "CHIM756",
            "heads on several machines need ray, which is not installed",
            hint="pip install 'chimera-pipelines[cluster]'",
        ) from None
    try:
        _probe(address)
        ray.init(
            address,
            namespace=namespace,
            log_to_driver=False,
            configure_logging=False,
            logging_level=logging.WARNING,
        )
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        raise HeadUnavailableError(
            "CHIM757",
            f"cannot reach the ray cluster '{address}': {str(error).splitlines()[0]}",
            hint="'ray start --head' starts one here, 'ray start --address …' joins it",
        ) from None
    return ray


def _probe(address: str) -> None:
    """See that something listens there: Ray itself would try for more than a minute.

    Raises:
        OSError: nothing does.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), _PROBE_S).close()


def main(descriptor: int) -> int:
    """Place heads for the agent at the other end; the exit code."""
    channel = Channel(socket.socket(fileno=descriptor))
    order = channel.receive()
    if order is None:
        return 0
    try:
        ray = connected(order["address"], f"chimera-{order['agent']}")
        placement = Placement(channel, order, ray)
    except ChimeraError as error:
        _log.exception("heads are not placed")
        channel.send({"is": "error", "error": error_json(error)})
        return int(error.exit_code)
    channel.send({"is": "ready"})
    placement.run()
    ray.shutdown()
    return 0


if __name__ == "__main__":
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s"
    )
    sys.exit(main(int(sys.argv[1])))
