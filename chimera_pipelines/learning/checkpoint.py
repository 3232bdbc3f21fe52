"""Checkpoints of learning: named tensors in a safetensors file, replaced as a whole each time.

The file says what problem it is of; it is never read as another's. It is written beside its place
and renamed, so a reader, or a run that was killed at any instant, finds the last whole one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from torch import Tensor

from chimera_pipelines.digest import JSONValue, digest
from chimera_pipelines.errors import ChimeraError

SCHEMA = "chimera.learning/1"


class Store(Protocol):
    """Where the tensors of one problem are kept after each step."""

    def save(self, tensors: Mapping[str, Tensor]) -> None:
        """Keep these tensors in place of the earlier ones."""
        ...

    def load(self) -> Mapping[str, Tensor] | None:
        """The tensors that were kept, or None."""
        ...


Keeping = Callable[[Mapping[str, JSONValue]], Store]
"""The store of a problem, plain JSON that tells it from others; `partial(Checkpoint, path)`."""


class LearningCheckpointError(ChimeraError):
    """A checkpoint of learning is of another problem (CHIM780), or is damaged (CHIM781)."""


def problem_digest(problem: Mapping[str, JSONValue]) -> str:
    """What tells a problem from others."""
    return digest(dict(problem))


class Checkpoint:
    """The checkpoint of one problem in one file.

    Args:
        path: of the file.
        problem: plain JSON that tells this problem from others: circuit, data digest, seed, rates.
    """

    def __init__(self, path: Path, problem: Mapping[str, JSONValue]) -> None:
        self.path = path
        self._of = problem_digest(problem)

    def save(self, tensors: Mapping[str, Tensor]) -> None:
        """Keep these tensors in place of the earlier ones.

        Raises:
            OSError: it cannot be written.
        """
        from safetensors.torch import save

        data = save(
            {name: tensor.contiguous().cpu() for name, tensor in tensors.items()},
            {"schema": SCHEMA, "of": self._of},
        )
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            draft.write_bytes(data)
            draft.replace(self.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def load(self) -> dict[str, Tensor] | None:
        """The tensors that were kept, or None where there is no file.

        Raises:
            LearningCheckpointError: CHIM780 or CHIM781.
        """
        from safetensors import SafetensorError, safe_open

        if not self.path.exists():
            return None
        try:
            with safe_open(str(self.path), "pt") as file:
                about = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise LearningCheckpointError(
                "CHIM781",
                f"checkpoint '{self.path}' cannot be read: {error}",
                hint="remove it to begin again",
            ) from error
        if about.get("schema") != SCHEMA or about.get("of") != self._of:
            raise another_problem(f"checkpoint '{self.path}'")
        return tensors


def another_problem(what: str) -> LearningCheckpointError:
    """CHIM780."""
    return LearningCheckpointError(
        "CHIM780",
        f"{what} is of another problem",
        hint="keep one for each problem, or begin again without it",
    )
