"""Why a head may run a kernel, and how likely it is to be chosen (`chimera heads explain`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chimera_pipelines.lifecycle.spec import KernelSpec
from chimera_pipelines.scheduling.reputation import Reputation
from chimera_pipelines.scheduling.router import KIND_OF_HEAD, Job, Router

_STEPS = 4000


@dataclass(frozen=True, slots=True)
class Chance:
    """What the router would do with one head, were all of them free.

    Attributes:
        allowed: whether it may run the kernel now.
        why: why it may or may not.
        speed: beside the fastest of the kernel's heads, 0 … 1.
        weight: mean reputation times speed, uptime and the share of invocations without error.
        probability: that it is chosen.
    """

    head: str
    allowed: bool
    why: str
    reputation: Reputation
    speed: float
    weight: float
    probability: float


def chances(router: Router, job: Job, kernel: KernelSpec) -> tuple[Chance, ...]:
    """One of each head that exists, in order."""
    allowed = router.allowed(job)
    willing = router.willing(job, job.heads)
    drawn = _probabilities(
        {head: (router.reputations[head], router.factor(head, job)) for head in willing}
    )
    return tuple(
        Chance(
            head,
            head in allowed,
            _why(router, job, kernel, head, willing),
            found,
            router.speed(head, job),
            router.promise(head, job) if head in allowed else 0.0,
            drawn.get(head, 0.0),
        )
        for head, found in sorted(router.reputations.items())
    )


def _why(router: Router, job: Job, kernel: KernelSpec, head: str, willing: Sequence[str]) -> str:
    if head not in job.heads:
        return _unfit(kernel, head)
    mean = router.reputations[head].mean
    if job.critical and mean <= router.threshold:
        return f"critical, and its reputation {mean:.2f} is not above {router.threshold:g}"
    if head not in willing:
        return "poor: taken when nothing better is up, or when the kernel waited long"
    return "critical, and trusted" if job.critical else "fits"


def _unfit(kernel: KernelSpec, head: str) -> str:
    kind, language = KIND_OF_HEAD.get(head, "unknown"), kernel.block.language
    pins = [tag for tag in kernel.head_tags if tag in KIND_OF_HEAD]
    if pins and head not in pins:
        return f"pinned to {', '.join(pins)}"
    if kind == "ai" and language in ("qiskit", "qasm"):
        return f"a {language} block evolves registers, which quantum heads hold"
    tag = {"quantum": "pytorch", "ai": "qiskit"}.get(kind, "")
    if tag in kernel.head_tags:
        return f"tag '{tag}' means another kind than {kind}"
    return f"a {language} block without tags goes to ai heads"


def _probabilities(heads: Mapping[str, tuple[Reputation, float]]) -> dict[str, float]:
    """That each head's draw, times its factor, is the highest.

    By quadrature over the densities on one grid: P(h) = Σ pₕ(x) · Πg Fg(x · fₕ / fg).
    """
    import numpy as np

    grid = (np.arange(_STEPS) + 0.5) / _STEPS
    density, below = {}, {}
    for head, (found, _) in heads.items():
        logs = (found.alpha - 1) * np.log(grid) + (found.beta - 1) * np.log1p(-grid)
        weights = np.exp(logs - logs.max())
        density[head] = weights / weights.sum()
        below[head] = np.cumsum(density[head]) - density[head] / 2
    factors = {head: max(factor, 1e-9) for head, (_, factor) in heads.items()}
    chance = {}
    for head, mass in density.items():
        beaten = mass.copy()
        for other in density:
            if other != head:
                place = grid * factors[head] / factors[other]
                beaten *= np.interp(place, grid, below[other], left=0.0, right=1.0)
        chance[head] = float(beaten.sum())
    total = sum(chance.values()) or 1.0
    return {head: value / total for head, value in chance.items()}
