"""The worker's process: imports, restricts itself, then answers one session's requests.

Started as `python -m chimera_pipelines.sandbox.worker FD`: requests come on descriptor 0, answers
go to FD, and 1 and 2 are the stranger's to print on. Both protocol descriptors move away first, so
that a block that reads its input or prints cannot touch the protocol. A block that looks for them
can forge an answer; an answer is only ever data, which the parent checks.
"""

from __future__ import annotations

import errno
import faulthandler
import fcntl
import importlib
import os
import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

from chimera_pipelines.digest import JSONValue, NotCanonicalError
from chimera_pipelines.sandbox import frames, notes, restrict, values
from chimera_pipelines.sandbox.blocks import Blocks, message
from chimera_pipelines.sandbox.limits import MAX_JSON_BYTES
from chimera_pipelines.sandbox.outcomes import Attachment
from chimera_pipelines.sandbox.tiers import Tier

_FIRST_FD = 10
# what libraries raise instead of MemoryError
_NO_MEMORY = (
    "can't allocate memory",
    "bad allocation",
    "std::bad_alloc",
    "Out of Memory Error",
    "failed to allocate",
)

Answer = tuple[dict[str, object], list[Attachment]]


def main() -> None:
    """Serve one session, to the end of its requests."""
    requests, replies = _move_protocol(int(sys.argv[1]))
    stdout, stderr = sys.stdout, sys.stderr
    order = frames.read(requests)
    if order is None:
        return
    ready = _start(order.head)
    frames.write(replies, frames.encode(ready))
    if "error" in ready:
        return
    blocks = Blocks()
    while (request := frames.read(requests)) is not None:
        number = cast("int", request.head["id"])
        notes.begin(request.head.get("notes"), lambda data: frames.write(replies, data), number)
        head, attachments = _answer(blocks, request)
        notes.end()
        for stream in (stdout, stderr):
            _flush(stream)
        data = frames.encode({**head, "id": number}, attachments)
        frames.write(replies, data)


def _move_protocol(reply_fd: int) -> tuple[int, int]:
    requests = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, _FIRST_FD)
    replies = fcntl.fcntl(reply_fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FD)
    os.close(reply_fd)
    empty = os.open("/dev/null", os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    faulthandler.enable(file=2, all_threads=False)
    return requests, replies


def _start(head: dict[str, object]) -> dict[str, object]:
    asked = cast("dict[str, Any]", head)
    order = restrict.Order(
        tier=Tier(asked["tier"]),
        uid=asked["uid"],
        readable=tuple(asked["readable"]),
        writable=tuple(asked["writable"]),
        cgroup_fds=tuple(asked["cgroup_fds"]),
        **asked["limits"],
    )
    try:
        layers = restrict.apply(order, lambda: _preload(asked["preload"]))
    except (OSError, ImportError) as error:
        return {"error": message(error) or type(error).__name__}
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"ready": ", ".join(layers), "cpu_s": used.ru_utime + used.ru_stime}


def _preload(names: list[str]) -> None:
    for name in names:
        importlib.import_module(name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _answer(blocks: Blocks, request: frames.Message) -> Answer:
    try:
        return _act(blocks, cast("dict[str, Any]", request.head), request.attachments)
    except NotCanonicalError as error:
        return {"outcome": "not_json", "message": message(error), "path": error.path}, []
    except BaseException as error:  # noqa: BLE001 - SystemExit and the like are outcomes too
        limit = _limit(error)
        if limit is not None:
            return {"outcome": "limit", "limit": limit}, []
        raised: dict[str, object] = {"outcome": "raised", "kind": type(error).__name__}
        return {**raised, "message": message(error), "frames": blocks.frames(error)}, []


def _act(blocks: Blocks, head: dict[str, Any], attachments: tuple[Attachment, ...]) -> Answer:
    if head["do"] == "load":
        blocks.load(head["block"], head["source"], head["filename"], head["line"])
        return {"outcome": "returned", "value": None}, []
    arguments = {
        key: values.decode(item, attachments)
        for key, item in cast("Mapping[str, JSONValue]", head["arguments"]).items()
    }
    if head["do"] == "invoke":
        result = _ours(head["target"])(**arguments)
        return _returned(*(values.pair(result) or values.encode(result)))
    function = cast("Callable[..., object]", blocks.function(head["block"], head["function"]))
    result = function(**arguments)
    if head["encode"] is None:
        return _returned(*values.encode(result))
    encoded = _ours(head["encode"])(result)
    return _returned(*(values.pair(encoded) or values.encode(encoded)))


def _returned(value: JSONValue, attachments: list[Attachment]) -> Answer:
    size = len(frames.encode({"value": value}))
    if size > MAX_JSON_BYTES:
        text = f"{size} bytes of JSON; at most {MAX_JSON_BYTES} are allowed"
        raise NotCanonicalError(text, "$")
    return {"outcome": "returned", "value": value}, attachments


def _ours(target: str) -> Callable[..., object]:
    module, _, name = target.partition(":")
    return cast("Callable[..., object]", getattr(importlib.import_module(module), name))


def _limit(error: BaseException) -> str | None:
    """The limit that an exception tells of."""
    if isinstance(error, MemoryError):
        error.__traceback__ = None  # lets go of what filled the memory
        return "memory"
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "memory"
    if isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN:
        return "processes"  # nothing else here can answer EAGAIN
    text = message(error)
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return "processes"
    return "memory" if any(words in text for words in _NO_MEMORY) else None


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except Exception as error:  # noqa: BLE001 - the stranger may have closed or replaced its parts
        os.write(2, f"output lost: {type(error).__name__}\n".encode())


if __name__ == "__main__":
    main()
