"""Adam on float64 parameters, as a state that can be kept after any iteration and gone on from.

The state is all that the next iteration depends on, so a run that is killed and resumed ends with
the same parameters to the last bit. Several starts descend at once, as rows of one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.learning.bad_data import DATA, refused, table, vector, whole
from chimera_pipelines.learning.checkpoint import another_problem

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Parameters (starts, P) to losses (starts,) and their derivatives (starts, P), float64."""

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
_MOST_ITERATIONS = 1_000_000
_TENSORS = ("parameters", "first", "second")


@dataclass(slots=True)
class Descent:
    """Where a descent stands.

    Attributes:
        parameters: float64 (starts, P), on the CPU.
        first, second: Adam's moments, of the same shape.
        iteration: steps that were taken.
        losses: the lowest loss of the starts, before each step.
        of: digest of the problem, so that its state is never gone on from in another.
    """

    parameters: Tensor
    first: Tensor
    second: Tensor
    iteration: int = 0
    losses: list[float] = field(default_factory=list)
    of: str = ""

    @classmethod
    def start(cls, parameters: Tensor, *, of: str = "") -> Descent:
        """Before the first step."""
        given = parameters.double().cpu()
        return cls(given, torch.zeros_like(given), torch.zeros_like(given), of=of)

    def step(self, losses: Tensor, slopes: Tensor, rate: float) -> None:
        """One step of Adam (Kingma & Ba, arXiv:1412.6980) against the slopes."""
        self.losses.append(float(losses.min()))
        self.iteration += 1
        slopes = slopes.cpu()
        self.first = _BETAS[0] * self.first + (1 - _BETAS[0]) * slopes
        self.second = _BETAS[1] * self.second + (1 - _BETAS[1]) * slopes**2
        first = self.first / (1 - _BETAS[0] ** self.iteration)
        second = self.second / (1 - _BETAS[1] ** self.iteration)
        self.parameters = self.parameters - rate * first / (second.sqrt() + _EPSILON)

    def tensors(self) -> dict[str, Tensor]:
        """The state as named tensors."""
        kept = {name: getattr(self, name) for name in _TENSORS}
        return kept | {"losses": torch.tensor(self.losses, dtype=torch.float64)}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], *, of: str = "") -> Descent:
        """The inverse of `tensors`; the file that held them has said of what problem they are."""
        losses: list[float] = tensors["losses"].tolist()
        parameters, first, second = (tensors[name] for name in _TENSORS)
        return cls(parameters, first, second, len(losses), losses, of)

    def as_json(self) -> dict[str, JSONValue]:
        """The state as plain JSON; numbers survive it to the last bit."""
        out: dict[str, JSONValue] = {name: getattr(self, name).tolist() for name in _TENSORS}
        return out | {"losses": list(self.losses), "iteration": self.iteration, "of": self.of}

    @classmethod
    def from_json(cls, value: object, *, starts: int, size: int, of: str = "") -> Descent:
        """The inverse of `as_json`.

        Raises:
            KernelError: MAML505 for what is no such state.
            LearningCheckpointError: CHIM780 for the state of another problem.
        """
        if not isinstance(value, Mapping) or set(value) != {*_TENSORS, "losses", "iteration", "of"}:
            raise refused(DATA, "the state to resume from is none that this function returned")
        if value["of"] != of:
            raise another_problem("the state to resume from")
        parts = [table(value[name], f"resumed {name}", width=size) for name in _TENSORS]
        for name, part in zip(_TENSORS, parts, strict=True):
            if part.shape[0] != starts:
                raise refused(DATA, f"resumed {name}: {part.shape[0]} starts, here {starts}")
        iteration = whole(value["iteration"], "resumed iteration", low=0, high=_MOST_ITERATIONS)
        losses: list[float] = []
        if iteration:
            losses = vector(value["losses"], "resumed losses", size=iteration).tolist()
        parameters, first, second = parts
        return cls(parameters, first, second, iteration, losses, of)


def descend(
    descent: Descent,
    evaluate: Evaluate,
    *,
    iterations: int,
    rate: float,
    tolerance: float = 0.0,
    each: Callable[[Descent], None] = lambda _: None,
) -> bool:
    """Step until `iterations` were taken in all, or the loss stands still; says which.

    Args:
        descent: gone on from, and changed.
        evaluate: losses and slopes.
        iterations: of the whole descent, those before it was resumed included.
        rate: length of a step.
        tolerance: stop when the loss changed by less than this in each of the last five steps.
        each: called after each step, to keep the state.

    Raises:
        KernelError: MAML904, a loss or slope is not finite.
    """
    while descent.iteration < iterations:
        if _stands(descent.losses, tolerance):
            return True
        losses, slopes = evaluate(descent.parameters)
        if not bool(torch.isfinite(losses).all() and torch.isfinite(slopes).all()):
            message = f"loss or slope of iteration {descent.iteration + 1} is not finite"
            raise refused("MAML904", message, "lower the rate")
        descent.step(losses, slopes, rate)
        each(descent)
    return _stands(descent.losses, tolerance)


def _stands(losses: list[float], tolerance: float) -> bool:
    last = losses[-6:]
    if tolerance <= 0.0 or len(last) < 6:  # noqa: PLR2004 - five changes
        return False
    return max(abs(a - b) for a, b in pairwise(last)) < tolerance
