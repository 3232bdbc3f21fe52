"""One exchange with a worker: send a frame, collect the answer, watch clock and output.

Everything is read and written in one loop without blocking: a worker that does not read its
request, floods its output or stops in the middle of an answer holds nobody beyond the deadline.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from enum import Enum

from chimera_pipelines.sandbox.frames import Decoder, FrameError, FrameTooLargeError, Message
from chimera_pipelines.sandbox.launch import Process
from chimera_pipelines.sandbox.limits import Limits

_CHUNK = 1 << 18


class Stop(Enum):
    """Why an exchange ended without an answer."""

    WALL = "wall"
    OUTPUT = "output"
    FRAME = "frame"
    MALFORMED = "malformed answer"
    GONE = "gone"


class Channel:
    """The pipes of one worker."""

    def __init__(self, process: Process, limits: Limits) -> None:
        self._process = process
        self._limits = limits
        self._written = 0
        self._texts = {process.stdout: bytearray(), process.stderr: bytearray()}
        for fd in (process.requests, process.replies, process.stdout, process.stderr):
            os.set_blocking(fd, False)

    def take_output(self) -> tuple[str, str]:
        """What came on stdout and on stderr since the last call."""
        texts = tuple(text.decode(errors="replace") for text in self._texts.values())
        for text in self._texts.values():
            text.clear()
        return texts[0], texts[1]

    def exchange(
        self,
        request: bytes,
        deadline: float,
        is_note: Callable[[Message], bool] = lambda _: False,
    ) -> Message | Stop:
        """The answer to a frame, or why there is none.

        Args:
            request: the frame.
            deadline: on the monotonic clock, in seconds.
            is_note: takes a message that comes before the answer; False for the answer.
        """
        decoder = Decoder(self._limits.attachment_bytes)
        pending = memoryview(request)
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.requests, selectors.EVENT_WRITE)
            for fd in (self._process.replies, *self._texts):
                selector.register(fd, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if key.fd == self._process.requests:
                        pending = self._send(pending)
                        finished = not pending
                    elif key.fd == self._process.replies:
                        answer = self._receive(decoder)
                        noted = isinstance(answer, Message) and is_note(answer)
                        if answer is not None and not noted:
                            return self._with_output(self._last(answer))
                        finished = False
                    else:
                        finished = not self._drain(key.fd)
                    if finished:
                        selector.unregister(key.fd)
                if self._written > self._limits.output_bytes:
                    return Stop.OUTPUT
        return Stop.WALL

    def _send(self, pending: memoryview) -> memoryview:
        try:
            return pending[os.write(self._process.requests, pending[:_CHUNK]) :]
        except BlockingIOError:
            return pending
        except BrokenPipeError:
            return pending[:0]  # the end of the replies says the rest

    def _receive(self, decoder: Decoder) -> Message | Stop | None:
        try:
            data = os.read(self._process.replies, decoder.missing)
            return decoder.feed(data) if data else Stop.GONE
        except BlockingIOError:
            return None
        except FrameTooLargeError:
            return Stop.FRAME
        except FrameError:
            return Stop.MALFORMED

    def _last(self, answer: Message | Stop) -> Message | Stop:
        """The answer, if nothing comes behind it."""
        try:
            behind = os.read(self._process.replies, 1)
        except BlockingIOError:
            return answer
        return Stop.MALFORMED if behind and isinstance(answer, Message) else answer

    def _drain(self, fd: int) -> bool:
        """Read once; False at the end of the pipe."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return True
        room = max(0, self._limits.output_bytes - self._written)
        self._texts[fd] += data[:room]
        self._written += len(data)
        return bool(data)

    def _with_output(self, answer: Message | Stop) -> Message | Stop:
        """Collect what was printed before the answer: it lies in the pipes already."""
        for fd in self._texts:
            before = -1
            while before != self._written and self._written <= self._limits.output_bytes:
                before = self._written
                self._drain(fd)
        return Stop.OUTPUT if self._written > self._limits.output_bytes else answer
