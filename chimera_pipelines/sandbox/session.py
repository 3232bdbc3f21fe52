"""A session: one worker process that serves the calls of one kernel invocation, then is gone."""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import SandboxUnavailableError
from chimera_pipelines.sandbox import frames, launch, paths, replies
from chimera_pipelines.sandbox.cgroup import Cgroup
from chimera_pipelines.sandbox.channel import Channel, Stop
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.notes import Notes, taker
from chimera_pipelines.sandbox.outcomes import (
    Attachment,
    Crashed,
    Limit,
    LimitExceeded,
    Outcome,
)
from chimera_pipelines.sandbox.tiers import Tier

_PACKAGE = "chimera_pipelines."
_PATIENCE_S = 0.5
_CPU_TOLERANCE_S = 0.5
_live: weakref.WeakSet[Session] = weakref.WeakSet()
os.register_at_fork(after_in_child=_live.clear)  # a forked child's exit must not end the parent's


class Session:
    """A stranger's process. Never reused: open one, make its calls, close it.

    One thread at a time may use a session; `hurry` and `abort` may be called from any.

    Args:
        tier: how it is held.
        limits: what it may use, summed over its calls.
        preload: modules imported before the restrictions, at least those that read outside their
            own packages when imported.
        niceness: priority while it starts; `await_ready` restores the normal one.

    Raises:
        SandboxUnavailableError: CHIM301, it does not start.
    """

    def __init__(
        self, tier: Tier, limits: Limits, *, preload: Sequence[str] = (), niceness: int = 0
    ) -> None:
        self.tier = tier
        self.limits = limits
        self.preload = tuple(preload)
        self.layers = ""
        self._numbers = itertools.count(1)
        self._end_lock = threading.Lock()
        self._ended: Outcome | None = None
        self._files: dict[str, tuple[str, int]] = {}
        self._ready = False
        self._imports_cpu_s = 0.0
        self._ready_at = 0.0
        self._aborted = False
        self._cgroup = Cgroup.create(limits)
        try:
            self._process, uid = launch.start(tier, limits, tuple(self._cgroup.join))
        except BaseException:
            self._cgroup.close()
            raise
        self._exit: launch.Exit | None = None
        self._channel = Channel(self._process, limits)
        self._deadline = time.monotonic() + limits.start_s
        if niceness:
            self._process.set_niceness(niceness)
        self._first = frames.encode(self._start_order(uid))
        _live.add(self)

    def _start_order(self, uid: int | None) -> dict[str, object]:
        writable = ["/tmp", "/dev/shm"] if self.tier is Tier.BUBBLEWRAP else []  # noqa: S108 - its own
        process = ["/proc"] if self.tier is Tier.BUBBLEWRAP else list(paths.PROC_FILES)
        process += self._cgroup.limit_files()
        return {
            "tier": self.tier.value,
            "preload": list(self.preload),
            "uid": uid,
            "readable": [*paths.readable(), *paths.DEVICES, *process],
            "writable": writable,
            "cgroup_fds": self._cgroup.join,
            "limits": {
                "cpu_s": self.limits.cpu_s,
                "memory_bytes": self.limits.memory_bytes,
                "processes": self.limits.processes,
                "tmp_bytes": self.limits.tmp_bytes,
                "open_files": self.limits.open_files,
            },
        }

    def await_ready(self) -> None:
        """Wait until imports and restrictions are done; every call does so first.

        Raises:
            SandboxUnavailableError: CHIM301, with what the worker said.
        """
        self.hurry()
        if not self._ready and self._ended is None:
            self.warm_up()

    @property
    def ready(self) -> bool:
        """Whether imports and restrictions are done."""
        return self._ready

    def hurry(self) -> None:
        """Give the worker the normal priority; may be called from any thread."""
        with self._end_lock:
            if self._ended is None:
                self._process.set_niceness(0)

    def warm_up(self) -> None:
        """As `await_ready`, at the priority that the session was started with."""
        answer = self._channel.exchange(self._first, self._deadline)
        self._cgroup.release_descriptors()
        head = answer.head if isinstance(answer, frames.Message) else {}
        layers, cpu_s = head.get("ready"), head.get("cpu_s")
        if isinstance(layers, str) and isinstance(cpu_s, int | float):
            self.layers = f"{layers}, {self._cgroup.facts}"
            self._imports_cpu_s = float(cpu_s)
            self._ready_at = time.monotonic()
            self._ready = True
            self._channel.take_output()
            return
        reason = head.get("error") or self._last_words()
        self.close()
        raise SandboxUnavailableError(
            "CHIM301",
            f"sandbox tier '{self.tier}' does not start: {reason}",
            hint="chimera doctor shows which tiers work here",
        )

    def _last_words(self) -> str:
        self._exit = self._process_end(_PATIENCE_S)
        said = self._channel.take_output()[1].strip().splitlines()
        return said[-1] if said else f"no answer within {self.limits.start_s:g} s"

    def load(
        self, name: str, source: str, *, filename: str | None = None, first_line: int = 1
    ) -> Outcome:
        """Run a block's top level; its functions can be called from then on.

        Args:
            name: of the block.
            source: Python text.
            filename: shown in tracebacks; default `<block NAME>`.
            first_line: line of the file on which the source begins, for tracebacks; lines in
                outcomes count from 1 within the source.
        """
        shown = filename or f"<block {name}>"
        if shown in self._files:
            shown = f"{shown}#{name}"
        self._files[shown] = (name, first_line)
        order = {"source": source, "filename": shown, "line": first_line}
        return self._ask({"do": "load", "block": name, **order}, (), self.limits.wall_s)

    def call(
        self,
        block: str,
        function: str,
        arguments: Mapping[str, JSONValue],
        *,
        attachments: Sequence[Attachment] = (),
        encode: str | None = None,
        timeout_s: float | None = None,
        notes: Notes | None = None,
    ) -> Outcome:
        """Call a function of a loaded block.

        Args:
            block: name given to `load`.
            function: a name at the block's top level.
            arguments: by name; `{"$attachment": i}` within stands for `attachments[i]`, an array
                for `application/x-npy`, bytes otherwise.
            attachments: see `arguments`.
            encode: `module:function` of this package, run inside on the returned value, giving
                JSON and attachments; default: values, arrays and bytes as MAML.md §4 has them.
            timeout_s: wall clock, default the session's.
            notes: what the call may keep while it runs, and find; default nothing.
        """
        order: dict[str, object] = {"do": "call", "block": block, "function": function}
        order |= {"encode": _ours(encode), "arguments": dict(arguments)}
        return self._ask(order, attachments, timeout_s, notes)

    def invoke(
        self,
        target: str,
        arguments: Mapping[str, JSONValue],
        *,
        attachments: Sequence[Attachment] = (),
        timeout_s: float | None = None,
    ) -> Outcome:
        """Run code of this package inside, on data that is not to be trusted.

        Args:
            target: `module:function`; it returns a value, or a pair of JSON and attachments.
            arguments: as in `call`.
            attachments: as in `call`.
            timeout_s: as in `call`.
        """
        order: dict[str, object] = {
            "do": "invoke",
            "target": _ours(target),
            "arguments": dict(arguments),
        }
        return self._ask(order, attachments, timeout_s)

    def _ask(
        self,
        order: dict[str, object],
        attachments: Sequence[Attachment],
        timeout_s: float | None,
        notes: Notes | None = None,
    ) -> Outcome:
        self.await_ready()
        if self._ended is not None:
            return self._ended
        allowed = self.limits.wall_s if timeout_s is None else timeout_s
        number = next(self._numbers)
        asked = {} if notes is None else {"notes": dict(notes.given)}
        request = frames.encode({**order, **asked, "id": number}, attachments)
        until, is_note = time.monotonic() + allowed, taker(notes, number)
        answer = self._channel.exchange(request, until, is_note)
        if isinstance(answer, frames.Message):
            outcome = replies.read(answer, number, self.limits, self._channel.take_output())
            if outcome is not None:
                return outcome
            answer = Stop.MALFORMED
        self._ended = self._explain(answer, allowed)
        self.close()
        return self._ended

    def _explain(self, stop: Stop, allowed_s: float) -> Outcome:
        """The outcome of a session that gave no answer."""
        ended = self._process_end(_PATIENCE_S if stop is Stop.GONE else 0.0)
        out, err = self._channel.take_output()
        limits = self.limits
        exceeded: dict[Stop, tuple[Limit, float, str]] = {
            Stop.WALL: (Limit.WALL, allowed_s, "s"),
            Stop.OUTPUT: (Limit.OUTPUT, limits.output_bytes, "bytes"),
            Stop.FRAME: (Limit.FRAME, limits.attachment_bytes, "bytes"),
        }
        if stop in exceeded:
            return LimitExceeded(*exceeded[stop], out, err)
        if stop is Stop.MALFORMED:
            return Crashed(stop.value, None, out, err)
        if self._cgroup.killed_for_memory() or replies.tells_of_memory(ended.signal, err):
            return LimitExceeded(Limit.MEMORY, limits.memory_bytes, "bytes", out, err)
        if ended.signal == "SIGXCPU" or (ended.signal == "SIGKILL" and self._used_up(ended)):
            return LimitExceeded(Limit.CPU, limits.cpu_s, "s", out, err)
        return replies.crash(ended.signal, ended.code, (out, err), self._files)

    def _used_up(self, ended: launch.Exit) -> bool:
        """Whether a SIGKILL that this process did not send is the hard limit of processor time.

        Bubblewrap does not wait for what it started, so its usage is not known; then it is taken
        for the limit if the session has lasted long enough to use so much.
        """
        if self._aborted:
            return False
        used = ended.cpu_s - self._imports_cpu_s
        if self.tier is Tier.BUBBLEWRAP:
            used = (time.monotonic() - self._ready_at) * (os.cpu_count() or 1)
        return used >= self.limits.cpu_s - _CPU_TOLERANCE_S

    def abort(self) -> None:
        """Kill the process; a call in progress then ends as `Crashed`. From any thread."""
        with self._end_lock:
            self._aborted = True
            self._process.kill()

    def _process_end(self, patience_s: float) -> launch.Exit:
        with self._end_lock:
            return self._process.end(patience_s=patience_s)

    def close(self) -> None:
        """End the process and remove what it left; harmless when repeated."""
        self._process_end(0.0)
        self._cgroup.close()
        if self._ended is None:
            self._ended = Crashed("closed", None)
        _live.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _ours(target: str | None) -> str | None:
    if target is not None and not target.startswith(_PACKAGE):
        raise ValueError(f"'{target}' is not of this package")
    return target


@atexit.register
def _close_all() -> None:
    for session in list(_live):
        with suppress(OSError):
            session.close()
