"""What a sandbox session needs, wherever it is opened."""

from __future__ import annotations

from dataclasses import dataclass

from chimera_pipelines.sandbox import tiers


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """A sandbox session: its tier, the modules it imports first, wall clock of one attempt."""

    tier: tiers.Tier
    preload: tuple[str, ...]
    timeout_s: float
