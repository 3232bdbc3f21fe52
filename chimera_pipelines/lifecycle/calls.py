"""Calls into a sandbox session: arguments in, values out, and every other end as a coded error.

Large arrays and bytes do not pass as JSON: a `$blob` of the content store crosses as an attachment
and comes back as one (MAML.md §4, Values).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence

from chimera_pipelines.digest import (
    JSONValue,
    NotCanonicalError,
    ValuePath,
    normalise,
    shown_path,
)
from chimera_pipelines.errors import KernelError, Where
from chimera_pipelines.lifecycle import blob_references
from chimera_pipelines.lifecycle.spec import BlockSpec
from chimera_pipelines.ring.blobs import ContentStore
from chimera_pipelines.sandbox.outcomes import (
    Attachment,
    Crashed,
    Limit,
    LimitExceeded,
    NotJSON,
    Outcome,
    Raised,
    Returned,
)

_LOG = logging.getLogger("chimera.blocks")
_LAST_LINES = 10
_CODED = re.compile(r"\s*((?:MAML|CHIM)\d{3})[: ]+(.*?)(?:  \[(.*)\])?\s*", re.DOTALL)
# What `chimera_pipelines.blocks` refuses. A block may forge one: it fails, and is not tried again.
_REFUSALS = frozenset(
    {"MAML412", "MAML413", "MAML505", "MAML904", "MAML905"}
    | {f"CHIM{number}" for number in range(790, 799)}
)


class OutOfTimeError(KernelError):
    """A call ran until the time was up that its phase had left; the phase knows the whole limit."""


def arguments(
    block: BlockSpec, function: str, available: Mapping[str, JSONValue], *, file: str
) -> dict[str, JSONValue]:
    """Exactly the parameters that `function` names, taken from `available` (MAML.md §4).

    Raises:
        KernelError: MAML408, a parameter without a default that nothing supplies.
    """
    missing = [name for name in block.required[function] if name not in available]
    if missing:
        raise KernelError(
            "MAML408",
            f"parameter '{missing[0]}' of '{function}' is not supplied",
            where=Where(file, block.first_line),
            hint=f"there are: {', '.join(sorted(available))}",
        )
    return {name: available[name] for name in block.functions[function] if name in available}


def pack(value: JSONValue, store: ContentStore) -> tuple[JSONValue, list[Attachment]]:
    """Replace every `{"$blob": …}` by an attachment with the blob's bytes, once for each blob."""
    attachments: list[Attachment] = []
    places: dict[tuple[str, str], int] = {}

    def walk(item: JSONValue) -> JSONValue:
        if isinstance(item, dict):
            if isinstance(item.get("$blob"), str):
                blob, media = str(item["$blob"]), str(item["media"])
                if (blob, media) not in places:
                    places[blob, media] = len(attachments)
                    attachments.append(Attachment(media, store.get(blob)))
                return {"$attachment": places[blob, media]}
            return {key: walk(part) for key, part in item.items()}
        if isinstance(item, list):
            return [walk(part) for part in item]
        return item

    return walk(value), attachments


def unpack(
    value: JSONValue, attachments: Sequence[Attachment], store: ContentStore, known: Iterable[str]
) -> JSONValue:
    """Replace attachments by `$blob` objects; blobs that were no inputs are refused.

    Raises:
        NotCanonicalError: a `$blob` that is not whole or not in `known`, or an attachment that is
            not there.
    """
    allowed = set(known)
    stored: dict[int, dict[str, JSONValue]] = {}  # a block may name one attachment a million times

    def walk(item: JSONValue, path: ValuePath) -> JSONValue:
        if isinstance(item, dict):
            if "$attachment" in item:
                at = _index(item["$attachment"], attachments, path)
                if at not in stored:
                    stored[at] = _stored(attachments[at], store)
                return dict(stored[at])
            if blob_references.KEY in item:
                fault = blob_references.own_fault(item)
                if fault is None and item["$blob"] not in allowed:
                    fault = "a $blob that was not an input"
                if fault is not None:
                    raise NotCanonicalError(fault, shown_path(path))
            return {key: walk(part, (path, key)) for key, part in item.items()}
        if isinstance(item, list):
            return [walk(part, (path, i)) for i, part in enumerate(item)]
        return item

    return walk(value, None)


def _index(index: JSONValue, attachments: Sequence[Attachment], path: ValuePath) -> int:
    if not isinstance(index, int) or not 0 <= index < len(attachments):
        raise NotCanonicalError(f"attachment {index!r} does not exist", shown_path(path))
    return index


def _stored(found: Attachment, store: ContentStore) -> dict[str, JSONValue]:
    blob = store.put(found.data, media=found.media)
    return {"$blob": blob, "bytes": len(found.data), "media": found.media}


def blobs(value: JSONValue) -> list[str]:
    """Content ids of every `$blob` in a value."""
    if isinstance(value, dict):
        own = [str(value["$blob"])] if isinstance(value.get("$blob"), str) else []
        return own + [found for part in value.values() for found in blobs(part)]
    if isinstance(value, list):
        return [found for part in value for found in blobs(part)]
    return []


def returned(outcome: Outcome, block: BlockSpec, *, file: str, phase: str) -> Returned:
    """The outcome, if the call returned.

    Raises:
        KernelError: MAML901 raised, 902 limit, 903 crash, 904 no JSON, or the code that trusted
            code of ours put in front of its message (MAML319, …).
    """
    _tell(outcome, block, phase)
    where = _where(outcome, block, file)
    if isinstance(outcome, Returned):
        return outcome
    if isinstance(outcome, Raised):
        raise _raised(outcome, where, phase)
    if isinstance(outcome, NotJSON):
        raise KernelError("MAML904", outcome.message, phase=phase, where=where, hint=_JSON_HINT)
    if isinstance(outcome, LimitExceeded):
        words, hint = _LIMITS[outcome.limit]
        message = words.format(_amount(outcome))
        kind = OutOfTimeError if outcome.limit is Limit.WALL else KernelError
        raise kind("MAML902", message, phase=phase, where=where, hint=hint)
    assert isinstance(outcome, Crashed)  # noqa: S101 - the union has no further member
    reason = outcome.signal or f"exit code {outcome.exit_code} without an answer"
    message = f"the sandbox process ended: {reason}"
    raise KernelError("MAML903", message, phase=phase, where=where, hint=_crash_hint(outcome))


def _tell(outcome: Outcome, block: BlockSpec, phase: str) -> None:
    """Log what the block printed; the last lines of one that failed are always to be seen."""
    failed = not isinstance(outcome, Returned)
    level = logging.WARNING if failed else logging.INFO
    for stream in (outcome.stdout, outcome.stderr):
        lines = stream.splitlines()
        if failed and not _LOG.isEnabledFor(logging.INFO):
            lines = lines[-_LAST_LINES:]
        for line in lines:
            _LOG.log(level, "%s %s printed: %s", block.name, phase, line)


_JSON_HINT = "return one object of JSON values; NaN, sets and objects of classes are none"
_LIMITS: Mapping[str, tuple[str, str]] = {
    "wall": ("time limit of {}", "raise the kernel's timeout"),
    "cpu": ("processor time limit of {}", "raise the kernel's timeout"),
    "memory": ("memory limit of {}", "work on smaller pieces, or set CHIMERA_MEMORY_BYTES"),
    "output": ("output limit of {}", "print less"),
    "processes": ("limit of {} threads and no further process", "blocks may not start processes"),
    "frame": (
        "limit of {} for the arrays of one result",
        "return less than 16 MiB of JSON; large arrays cross as blobs",
    ),
}


def _amount(outcome: LimitExceeded) -> str:
    if outcome.unit != "bytes":
        return (
            f"{outcome.allowed:g} {outcome.unit}" if outcome.unit == "s" else f"{outcome.allowed:g}"
        )
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if outcome.allowed >= size:
            return f"{outcome.allowed / size:g} {unit}"
    return f"{outcome.allowed:g} bytes"


def _crash_hint(outcome: Crashed) -> str:
    if outcome.signal is None:
        return "the block must return; it may not end its process"
    if outcome.signal.startswith("SIGSYS"):
        return "the block asked the system for what no block may do"
    if outcome.signal.startswith("SIG"):
        return "the block, or a library that it calls, crashed the interpreter"
    return "the block must return; what it writes itself is no answer"


def _where(outcome: Outcome, block: BlockSpec, file: str) -> Where:
    """The line that was running, as far as it is known and of this block; else its first."""
    if isinstance(outcome, Raised | Crashed) and outcome.block == block.name and outcome.line:
        column = outcome.column if isinstance(outcome, Raised) else None
        return Where(file, block.first_line + outcome.line - 1, column or 1)
    return Where(file, block.first_line)


def _raised(outcome: Raised, where: Where, phase: str) -> KernelError:
    coded = _CODED.fullmatch(outcome.message)
    ours = not outcome.frames  # a stranger's frame raises no code of ours, but for these refusals
    if coded and (ours or (outcome.kind == "BlocksError" and coded[1] in _REFUSALS)):
        return KernelError(coded[1], coded[2], phase=phase, where=where, hint=coded[3])
    message = f"{outcome.kind}: {outcome.message}" if outcome.message else outcome.kind
    return KernelError("MAML901", message, phase=phase, where=where)


def received(
    found: Returned,
    block: BlockSpec,
    store: ContentStore,
    inputs: Mapping[str, JSONValue],
    *,
    file: str,
    phase: str,
) -> dict[str, JSONValue]:
    """The JSON object that a block returned, large arrays and bytes put into the content store.

    Raises:
        KernelError: MAML904.
    """
    try:
        value = unpack(found.value, found.attachments, store, blobs(dict(inputs)))
    except NotCanonicalError as error:
        message, where = f"result of '{block.name}': {error}", Where(file, block.first_line)
        raise KernelError("MAML904", message, phase=phase, where=where, hint=_JSON_HINT) from None
    return json_object(value, block, file=file, phase=phase)


def json_object(
    value: JSONValue, block: BlockSpec, *, file: str, phase: str
) -> dict[str, JSONValue]:
    """The value, if it is one JSON object as MAML.md §4 has it.

    Raises:
        KernelError: MAML904.
    """
    where = Where(file, block.first_line)
    if not isinstance(value, dict):
        kind = "nothing" if value is None else f"a {type(value).__name__}"
        raise KernelError(
            "MAML904", f"'{block.name}' returned {kind}", phase=phase, where=where, hint=_JSON_HINT
        )
    try:
        normalise(value)
    except NotCanonicalError as error:
        message = f"result of '{block.name}': {error}"
        raise KernelError("MAML904", message, phase=phase, where=where, hint=_JSON_HINT) from None
    return value
