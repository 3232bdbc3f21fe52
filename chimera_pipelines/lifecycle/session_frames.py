"""Sessions of another head as frames: what is asked of them, and how a call ended.

Values of blocks go as buffers of JSON text and not in the frame: they may be larger than a frame
may be, and what they hold is judged where it is judged without a head in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from chimera_pipelines.heads.frames import Bytes
from chimera_pipelines.lifecycle.session_spec import SessionSpec
from chimera_pipelines.sandbox import outcomes
from chimera_pipelines.sandbox.outcomes import Attachment, Frame, Outcome, Raised, Returned
from chimera_pipelines.sandbox.tiers import Tier

_KINDS: Mapping[str, type[Outcome]] = {
    kind.__name__: kind
    for kind in (
        Returned,
        Raised,
        outcomes.NotJSON,
        outcomes.LimitExceeded,
        outcomes.Crashed,
    )
}


def spec_json(spec: SessionSpec) -> dict[str, Any]:
    """What a session needs, as a frame carries it."""
    return {"tier": str(spec.tier), "preload": list(spec.preload), "timeout_s": spec.timeout_s}


def spec_of(value: Mapping[str, Any]) -> SessionSpec:
    """The inverse of `spec_json`.

    Raises:
        LookupError, ValueError: it is none.
    """
    preload = tuple(str(name) for name in value["preload"])
    return SessionSpec(Tier(value["tier"]), preload, float(value["timeout_s"]))


def value_buffers(
    value: Any, attachments: Sequence[Attachment]
) -> tuple[list[str], tuple[Bytes, ...]]:
    """Media of the attachments, and the buffers: the value's JSON, then the attachments."""
    data = (json.dumps(value).encode(), *(item.data for item in attachments))
    return [item.media for item in attachments], data


def value_of(media: Sequence[str], buffers: Sequence[Bytes]) -> tuple[Any, tuple[Attachment, ...]]:
    """The inverse of `value_buffers`.

    Raises:
        ValueError: they do not fit each other.
    """
    text, *rest = (bytes(item) for item in buffers)
    pairs = zip(media, rest, strict=True)
    return json.loads(text), tuple(Attachment(str(kind), data) for kind, data in pairs)


def outcome_json(outcome: Outcome) -> tuple[dict[str, Any], tuple[Bytes, ...]]:
    """How a call ended, as a frame carries it."""
    kind = type(outcome).__name__
    if isinstance(outcome, Returned):
        media, buffers = value_buffers(outcome.value, outcome.attachments)
        told = {"stdout": outcome.stdout, "stderr": outcome.stderr}
        return {"outcome": kind, "media": media, **told}, buffers
    return {"outcome": kind, **asdict(outcome)}, ()


def outcome_of(value: Mapping[str, Any], buffers: Sequence[Bytes]) -> Outcome:
    """The inverse of `outcome_json`.

    Raises:
        LookupError, TypeError, ValueError: it is none.
    """
    kind = _KINDS[value["outcome"]]
    told = {field.name: value[field.name] for field in fields(kind) if field.name in value}
    if kind is Returned:
        found, attachments = value_of(value["media"], buffers)
        return Returned(found, attachments, **told)
    if kind is Raised:
        told["frames"] = tuple(Frame(**frame) for frame in told["frames"])
    if kind is outcomes.LimitExceeded:
        told["limit"] = outcomes.Limit(told["limit"])
    return kind(**told)
