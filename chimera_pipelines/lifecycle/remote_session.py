"""A session that another head holds: `sandbox.session.Session` as its client sees it.

The head counts as dead when its connection breaks or when it says nothing long after the time that
a call may take; then every call says so (CHIM714), and whoever made it asks another head.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads.frames import Bytes, Message, WireError
from chimera_pipelines.heads.remote import RemoteHead
from chimera_pipelines.lifecycle.session_frames import outcome_of, spec_json, value_buffers
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.sandbox.limits import Limits
from chimera_pipelines.sandbox.outcomes import Attachment, Crashed, Outcome

PATIENCE_S = 15.0  # beyond what the session itself allows
_ABORTED = Crashed("SIGKILL", None)


class RemoteSession:
    """One session; opened by the first `load`.

    One thread at a time may use it; `abort` may be called from any.

    Args:
        head: a connection for this session alone, which `close` closes.
        spec: what it needs.
    """

    def __init__(self, head: RemoteHead, spec: SessionSpec) -> None:
        self._head = head
        self._spec = spec
        self._open = False
        self._aborted = threading.Event()

    def load(self, name: str, source: str, *, filename: str, first_line: int) -> Outcome:
        """See `Session.load`.

        Raises:
            HeadUnavailableError: CHIM714, the head is gone.
            ChimeraError: the session does not start.
        """
        begin = Limits().start_s + PATIENCE_S
        if not self._open:
            if self._ask("open", {"spec": spec_json(self._spec)}, within_s=begin) is None:
                return _ABORTED
            self._open = True
        order = {"block": name, "filename": filename, "first_line": first_line}
        within = self._spec.timeout_s + PATIENCE_S
        return self._outcome(self._ask("load", order, [source.encode()], within_s=within))

    def call(
        self,
        block: str,
        function: str,
        arguments: Mapping[str, JSONValue],
        *,
        attachments: Sequence[Attachment] = (),
        timeout_s: float,
    ) -> Outcome:
        """See `Session.call`.

        Raises:
            HeadUnavailableError: CHIM714, the head is gone.
        """
        media, buffers = value_buffers(dict(arguments), attachments)
        order = {"block": block, "function": function, "media": media, "timeout_s": timeout_s}
        within = timeout_s + PATIENCE_S
        return self._outcome(self._ask("call", order, buffers, within_s=within))

    def abort(self) -> None:
        """End the session; a call in progress then ends as `Crashed`. From any thread."""
        self._aborted.set()
        self._head.hang_up()

    def close(self) -> None:
        """End the session, and let go of the head."""
        self._head.close()

    def _ask(
        self,
        operation: str,
        order: Mapping[str, Any],
        buffers: Sequence[Bytes] = (),
        *,
        within_s: float,
    ) -> Message | None:
        """The answer; None once this was aborted."""
        try:
            return self._head.session(operation, order, buffers, within_s=within_s)
        except (HeadUnavailableError, WireError) as error:
            if self._aborted.is_set():
                return None
            if isinstance(error, WireError):
                raise HeadUnavailableError("CHIM714", error.message, hint=error.hint) from error
            raise

    @staticmethod
    def _outcome(answer: Message | None) -> Outcome:
        if answer is None:
            return _ABORTED
        return outcome_of(answer.frame["value"], answer.buffers)
