"""Weights of a state as whole numbers, so that every device adds them to the same sums.

Strategy: |amplitude|² is computed in double precision, one rounding an operation, and cut to a
multiple of 2^-62. Whole numbers add up to the same sum in any order: numpy on the host, torch on
the host and torch on a GPU place the same uniform number on the same outcome, to the last one. The
cut moves less than 2^-62 an amplitude, 2^-32 for thirty qubits altogether. An amplitude of zero has
the weight zero and is never drawn.

A state whose |amplitude|² do not add up to 1 is refused (CHIM778) and never normalised in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import TypeIs

HostState: TypeAlias = NDArray[np.complexfloating]
AnyState: TypeAlias = "HostState | Tensor"
Whole: TypeAlias = NDArray[np.int64]

BLOCK = 1 << 12
UNIT = float(1 << 62)  # the weight of probability 1
TOLERANCE = {"single": 1e-3, "double": 1e-6}  # of the sum of |amplitude|², for deep circuits


class Amplitudes(Protocol):
    """A state of 2^n amplitudes where it lies; whole weights come back to the host."""

    @property
    def size(self) -> int:
        """2^n."""
        ...

    def block_sums(self, width: int) -> tuple[Whole, int]:
        """Sums of consecutive runs of `width` weights, shape (2^n ÷ width,); the largest weight.

        Raises:
            KernelError: CHIM778 when |amplitude|² do not add up to 1.
        """
        ...

    def find(self, rows: Whole, width: int, before: Whole, draws: Whole) -> Whole:
        """Indices of the amplitudes on which draws fall.

        Args:
            rows: ascending numbers of the runs that are hit, shape (r,).
            width: of a run.
            before: sum of all weights in front of each of them, shape (r,).
            draws: ascending, each within one of these runs, shape (s,).

        Returns:
            Indices, ascending, shape (s,).
        """
        ...

    def at(self, index: Whole) -> Whole:
        """Weights of single amplitudes, shape (s,).

        Raises:
            KernelError: CHIM778 for one that is no number or over 1.
        """
        ...


class Cumulative(Protocol):
    """The cumulative sum of all weights, kept."""

    @property
    def total(self) -> int:
        """Sum of all weights."""
        ...

    def find(self, draws: Whole) -> Whole:
        """Index of the amplitude on which each draw falls, shape (s,)."""
        ...


def is_tensor(state: AnyState) -> TypeIs[Tensor]:
    """Whether a state is a torch tensor, without importing torch."""
    return not isinstance(state, np.ndarray)


def on_device(state: AnyState) -> TypeGuard[Tensor]:
    """Whether a state lies elsewhere than in the host's memory."""
    return is_tensor(state) and state.device.type != "cpu"


def on_host(state: AnyState) -> HostState:
    """The state as a numpy array: itself, the memory of a tensor on the host, or a copy."""
    if is_tensor(state):
        return np.asarray(state.detach().resolve_conj().cpu().numpy())
    return state


def amplitudes_of(state: AnyState) -> Amplitudes:
    """A state, ready to be sampled where it lies."""
    if on_device(state):
        from chimera_pipelines.quantum.samplers.device import DeviceAmplitudes

        return DeviceAmplitudes(state)
    from chimera_pipelines.quantum.samplers.host import HostAmplitudes

    return HostAmplitudes(on_host(state))


def cumulative_of(state: AnyState) -> Cumulative:
    """The cumulative sum of a state, 8 bytes an amplitude, where it lies.

    Raises:
        KernelError: CHIM778 when |amplitude|² do not add up to 1.
    """
    if on_device(state):
        from chimera_pipelines.quantum.samplers.device import DeviceCumulative

        return DeviceCumulative(state)
    from chimera_pipelines.quantum.samplers.host import HostCumulative

    return HostCumulative(on_host(state))


def tolerance(state: AnyState | NDArray[np.float64]) -> float:
    """How far |amplitude|² of a state may add up to something else than 1."""
    return TOLERANCE["single" if "complex64" in str(state.dtype) else "double"]


def check_norm(norm: float, allowed: float) -> None:
    """Refuses a state that is not normalised.

    Raises:
        KernelError: CHIM778; NaN and infinity are refused too.
    """
    if not abs(norm - 1.0) <= allowed:
        raise KernelError(
            "CHIM778",
            f"probabilities of the state sum to {norm!r}, not 1",
            phase=Phase.MEASURE,
            hint="the register is damaged: run the kernel again, with precision: double if it was "
            "single",
        )
