"""Refusals as a block sees them: one exception whose text begins with the code."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

from chimera_pipelines.errors import ChimeraError

_Parameters = ParamSpec("_Parameters")
_Value = TypeVar("_Value")


class BlocksError(Exception):
    """Bad data, or sizes that do not fit; the text is `CODE: what is wrong  [hint]`."""


def plain_refusals(function: Callable[_Parameters, _Value]) -> Callable[_Parameters, _Value]:
    """Let a function refuse with `BlocksError`, so that the kernel fails with the error's code."""
    taken = signature(function)

    @wraps(function)
    def refusing(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Value:
        try:
            taken.bind(*args, **kwargs)
        except TypeError as error:
            known = ", ".join(taken.parameters)
            message = f"MAML505: {function.__name__}: {error}  [it takes {known}]"
            raise BlocksError(message) from None
        try:
            return function(*args, **kwargs)
        except ChimeraError as error:
            hint = f"  [{error.hint}]" if error.hint else ""
            text = f"{error.code}: {error.message}{hint}"
        raise BlocksError(text)

    return refusing
