"""Errors as JSON in frames, and back: the same class, code, message and hint on the other side."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from chimera_pipelines import errors
from chimera_pipelines.errors import ChimeraError, HeadUnavailableError, KernelError, Where

_LONGEST = 20_000


def error_json(error: BaseException) -> dict[str, Any]:
    """An error as a frame carries it; those that are not ours bring their traceback."""
    if isinstance(error, ChimeraError):
        phase = {"phase": error.phase} if isinstance(error, KernelError) else {}
        return {"kind": type(error).__name__, **error.as_json(), **phase}
    text = "".join(traceback.format_exception(error))
    return {
        "kind": type(error).__name__,
        "code": None,
        "message": " ".join(str(error).split())[:500] or type(error).__name__,
        "where": None,
        "hint": None,
        "traceback": text[-_LONGEST:],
    }


def error_of(value: Mapping[str, Any]) -> ChimeraError:
    """The error of a frame; what was no error of ours becomes CHIM719."""
    code, message = value.get("code"), str(value.get("message"))
    if not isinstance(code, str):
        return HeadUnavailableError(
            "CHIM719",
            f"{value.get('kind')} in a head: {message}",
            hint="the agent's log, agent.log in its folder, has the traceback",
        )
    place = value.get("where")
    where = Where(place["file"], place["line"], place["column"]) if place else None
    hint = value.get("hint")
    kind = getattr(errors, str(value.get("kind")), None)
    if kind is KernelError:
        phase = str(value.get("phase", "deserialize"))
        return KernelError(code, message, phase=phase, where=where, hint=hint)
    if isinstance(kind, type) and issubclass(kind, ChimeraError):
        return kind(code, message, where=where, hint=hint)
    return HeadUnavailableError(code, message, where=where, hint=hint)
