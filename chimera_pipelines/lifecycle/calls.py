"""Calls into a sandbox session: arguments in, values out, and every other end as a coded error.

Large arrays and bytes do not pass as JSON: a `$blob` of the content store crosses as an attachment
and comes back as one (MAML.md §4, Values).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from chimera_pipelines.digest import JSONValue, NotCanonicalError, normalise
from chimera_pipelines.errors import KernelError, Where
from chimera_pipelines.lifecycle.spec import BlockSpec
from chimera_pipelines.ring.blobs import ContentStore
from chimera_pipelines.sandbox.outcomes import (
    Attachment,
    Crashed,
    LimitExceeded,
    NotJSON,
    Outcome,
    Raised,
    Returned,
)

_CODED = re.compile(r"\s*(MAML\d{3})[: ]+(.*)", re.DOTALL)


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
    """Replace every `{"$blob": …}` by an attachment with the blob's bytes."""
    attachments: list[Attachment] = []

    def walk(item: JSONValue) -> JSONValue:
        if isinstance(item, dict):
            if isinstance(item.get("$blob"), str):
                data = store.get(str(item["$blob"]))
                attachments.append(Attachment(str(item["media"]), data))
                return {"$attachment": len(attachments) - 1}
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
        NotCanonicalError: a `$blob` that is not in `known`, or an attachment that is not there.
    """
    allowed = set(known)

    def walk(item: JSONValue, path: str) -> JSONValue:
        if isinstance(item, dict):
            if "$attachment" in item:
                return _stored(item["$attachment"], attachments, store, path)
            if "$blob" in item and item["$blob"] not in allowed:
                raise NotCanonicalError("a $blob that was not an input", path)
            return {key: walk(part, f"{path}.{key}") for key, part in item.items()}
        if isinstance(item, list):
            return [walk(part, f"{path}[{i}]") for i, part in enumerate(item)]
        return item

    return walk(value, "$")


def _stored(
    index: JSONValue, attachments: Sequence[Attachment], store: ContentStore, path: str
) -> JSONValue:
    if not isinstance(index, int) or not 0 <= index < len(attachments):
        raise NotCanonicalError(f"attachment {index!r} does not exist", path)
    found = attachments[index]
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
    where = Where(file, block.first_line)
    if isinstance(outcome, Returned):
        return outcome
    if isinstance(outcome, Raised):
        raise _raised(outcome, block, file, phase)
    if isinstance(outcome, NotJSON):
        raise KernelError("MAML904", outcome.message, phase=phase, where=where, hint=_JSON_HINT)
    if isinstance(outcome, LimitExceeded):
        message = f"{outcome.limit} limit of {outcome.allowed:g} {outcome.unit}".rstrip()
        raise KernelError(
            "MAML902", message, phase=phase, where=where, hint=_LIMIT_HINTS[outcome.limit]
        )
    assert isinstance(outcome, Crashed)  # noqa: S101 - the union has no further member
    reason = outcome.signal or f"exit code {outcome.exit_code} without an answer"
    raise KernelError("MAML903", f"the sandbox process ended: {reason}", phase=phase, where=where)


_JSON_HINT = "return one object of JSON values; NaN, sets and objects of classes are none"
_LIMIT_HINTS = {
    "wall": "raise the kernel's timeout",
    "cpu": "raise the kernel's timeout",
    "memory": "work on smaller pieces, or set CHIMERA_MEMORY_BYTES",
    "output": "print less",
    "processes": "blocks may not start processes",
    "frame": "return less than 16 MiB of JSON; large arrays cross as blobs",
}


def _raised(outcome: Raised, block: BlockSpec, file: str, phase: str) -> KernelError:
    line = block.first_line + (outcome.line or 1) - 1
    where = Where(file, line, outcome.column or 1)
    coded = _CODED.fullmatch(outcome.message)
    if coded:
        return KernelError(coded[1], coded[2], phase=phase, where=where)
    message = f"{outcome.kind}: {outcome.message}" if outcome.message else outcome.kind
    return KernelError("MAML901", message, phase=phase, where=where)


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
