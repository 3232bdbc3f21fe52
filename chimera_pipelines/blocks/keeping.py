"""Checkpoints of computations within a block, carried out of the sandbox as notes.

A head that dies in the middle of a kernel's call, or an attempt that fails, leaves the last ones;
the call that takes its place finds them. They are kept at most four times a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chimera_pipelines.blocks.faults import BlocksError, plain_refusals
from chimera_pipelines.digest import JSONValue, digest
from chimera_pipelines.sandbox import notes

if TYPE_CHECKING:
    from torch import Tensor

_OWN = "own "
_MAX_NAME = 64


@plain_refusals
def checkpoint(name: str, value: Any) -> None:
    """Keep a value, in place of the one before of that name, should the call be cut off.

    The value is kept if none was in the last quarter of a second; it crosses as JSON, 4 MiB at
    most. What a call returns must not depend on whether it was restored.

    Args:
        name: printable ASCII, at most 64 characters.
        value: plain JSON: numbers, text, lists, objects.

    Raises:
        BlocksError: MAML505 for a name that is none.
    """
    notes.keep(_OWN + _checked(name), lambda: value)


@plain_refusals
def restored(name: str) -> Any:
    """The value that `checkpoint` kept under a name in the call that was cut off, or None.

    Raises:
        BlocksError: MAML505 for a name that is none.
    """
    return notes.kept(_OWN + _checked(name))


def _checked(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or not _plain(name):
        raise BlocksError(f"MAML505: checkpoint of the name {name!r:.80}  [printable ASCII, short]")
    return name


def _plain(name: str) -> bool:
    return name.isascii() and name.isprintable()


class Kept:
    """Tensors of one computation as a note; see `learning.checkpoint.Store`.

    Args:
        problem: what it is of.
        steps: how many it is to take.
    """

    def __init__(self, problem: Mapping[str, JSONValue], *, steps: int) -> None:
        """Computations of a call are numbered, so that each finds its own note again."""
        of = digest({**problem, "steps": steps}).removeprefix("sha256:")
        self._name = notes.next_name(of[:32])

    def save(self, tensors: Mapping[str, Tensor]) -> None:
        """Keep these tensors in place of the earlier ones."""

        def value() -> JSONValue:
            return {
                name: [str(part.dtype).removeprefix("torch."), part.tolist()]
                for name, part in tensors.items()
            }

        notes.keep(self._name, value)

    def load(self) -> dict[str, Tensor] | None:
        """The tensors that were kept, or None; numbers are the same to the last bit."""
        import torch

        found: Any = notes.kept(self._name)
        if found is None:
            return None
        return {
            name: torch.tensor(data, dtype=getattr(torch, kind))
            for name, (kind, data) in found.items()
        }
