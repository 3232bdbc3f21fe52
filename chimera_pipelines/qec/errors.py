"""Errors of quantum error correction: CHIM790 to CHIM794."""

from __future__ import annotations

from chimera_pipelines.errors import ChimeraError


class NoiseModelError(ChimeraError):
    """CHIM790: an unknown noise model, or a rate that is no probability."""


class ExperimentError(ChimeraError):
    """CHIM791: a memory experiment that cannot be built or counted."""


class DetectorModelError(ChimeraError):
    """CHIM792: a detector error model that no decoder can be right about."""


class DecodingError(ChimeraError):
    """CHIM793 (decoder unknown or unfit for this model) and CHIM794 (shots of another shape)."""
