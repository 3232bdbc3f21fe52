"""Noise of a simulated device: depolarising after gates, flips on readout.

A small set on purpose: `backend: {method: density_matrix, noise: {depolarizing_1q: p,
depolarizing_2q: p, readout: p}}`. With probability p the qubits of a gate, as it is written in the
circuit, are replaced by the maximally mixed state: ρ → (1−p)ρ + p·1/2^k, which is a random Pauli
other than the identity with probability p·(1 − 4^−k). A measured bit is read flipped with
probability `readout`; the qubit itself is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.reals import finite_real, shown

FIELDS = ("depolarizing_1q", "depolarizing_2q", "readout")


@dataclass(frozen=True, slots=True)
class Noise:
    """Probabilities, each from 0 to 1.

    Attributes:
        depolarizing_1q: after every gate of one qubit.
        depolarizing_2q: after every gate of two qubits, on both together.
        readout: that a measured bit is read flipped.
    """

    depolarizing_1q: float = 0.0
    depolarizing_2q: float = 0.0
    readout: float = 0.0

    @classmethod
    def from_json(cls, value: JSONValue | Mapping[str, float]) -> Noise | None:
        """The noise of a `backend.noise` option; None where there is none.

        Raises:
            KernelError: MAML319 for another shape, another name, or no probability.
        """
        if value is None:
            return None
        if not isinstance(value, Mapping) or not set(value) <= set(FIELDS):
            names = sorted(map(str, value)) if isinstance(value, Mapping) else value
            raise _bad(f"noise of {names!r:.80}", f"an object of {', '.join(FIELDS)}")
        return cls(**{name: _probability(name, found) for name, found in value.items()})

    def as_json(self) -> dict[str, JSONValue]:
        """The inverse of `from_json`."""
        return {**asdict(self)}

    def after(self, qubits: int) -> float:
        """Probability of depolarising after a gate of one or two qubits."""
        return self.depolarizing_1q if qubits == 1 else self.depolarizing_2q


def _probability(name: str, value: object) -> float:
    found = finite_real(value)
    if found is None or not 0.0 <= found <= 1.0:
        raise _bad(f"noise {name} of {shown(value)}", "a probability from 0 to 1")
    return found


def _bad(message: str, hint: str) -> KernelError:
    return KernelError("MAML319", message, phase=Phase.PROPAGATE, hint=hint)
