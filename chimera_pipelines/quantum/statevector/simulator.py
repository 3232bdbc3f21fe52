"""A program on a device: states of batches of parameters, and reversible adjoint gradients.

The adjoint pass undoes the program step by step on two states, the evolved one and H times it,
held as one batch, and reads every derivative from their overlap. With the temporary of one kernel
these are three states of memory, however deep the program (evidence/performance.md §7); tables come
on top, one for each layer that differs from the others (`tables`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.statevector import stepping
from chimera_pipelines.quantum.statevector.hamiltonian import Hamiltonian
from chimera_pipelines.quantum.statevector.steps import Program
from chimera_pipelines.quantum.statevector.tables import Place

_STEP_BYTES = 2048
_ANGLE_BYTES = 512
PRECISIONS = {"single": torch.complex64, "double": torch.complex128}


class Simulator:
    """Runs one program; its tables are made once.

    Args:
        program: what to run.
        device: "cpu", "cuda" or a torch device.
        precision: "single" or "double".
    """

    def __init__(
        self, program: Program, *, device: str | torch.device = "cpu", precision: str = "double"
    ) -> None:
        self.program = program
        self.device = torch.device(device)
        self.dtype = PRECISIONS[precision]
        self._angles = stepping.Angles(program, self.device)
        self._count = sum(len(step.turns) for step in program.steps)
        place = Place(program.num_qubits, self.dtype, self.device)
        self.tables = place.tables
        self._steps = [
            stepping.prepared(step, place, columns)
            for step, columns in zip(program.steps, self._angles.columns, strict=True)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps: tables, and about what the objects of a step take."""
        return self.tables.nbytes + _STEP_BYTES * len(self._steps) + _ANGLE_BYTES * self._count

    def parameters(self, values: object) -> Tensor:
        """Parameters as float64 (b, P) on the device; one set may come without its first axis.

        Raises:
            KernelError: MAML412 for another number of them, or one that is not finite.
        """
        table = torch.as_tensor(values, dtype=torch.float64, device=self.device)
        table = table[None] if table.ndim == 1 else table
        wanted = self.program.num_parameters
        if table.ndim != 2 or table.shape[1] != wanted:  # noqa: PLR2004 - rows of parameters
            shape = tuple(table.shape)
            message = f"parameters of shape {shape} for a program that takes {wanted}"
            raise KernelError("MAML412", message, phase=Phase.EMBED)
        if not bool(torch.isfinite(table).all()):
            raise KernelError("MAML412", "a parameter is not finite", phase=Phase.EMBED)
        return table

    def angles(self, parameters: Tensor) -> Tensor:
        """Angles of all steps (b, A), which `forward` takes."""
        return self._angles.of(parameters)

    def zero(self, batch: int = 1) -> Tensor:
        """|0...0>, batch times."""
        size = 1 << self.program.num_qubits
        state = torch.zeros(batch, size, dtype=self.dtype, device=self.device)
        state[:, 0] = 1
        return state

    def run(self, parameters: Tensor, initial: Tensor | None = None) -> Tensor:
        """Final states (b, 2^n). Autograd can go through.

        Args:
            parameters: (b, P), see `parameters`.
            initial: (1 or b, 2^n) states to start from, default |0...0>.
        """
        return self.forward(self._angles.of(parameters), initial)

    def forward(self, angles: Tensor, initial: Tensor | None = None) -> Tensor:
        """As `run`, from the angles of all steps (b, A) instead of the parameters."""
        state = self.zero(angles.shape[0]) if initial is None else initial
        for step, learned in zip(self._steps, self._angles.learned, strict=True):
            # angles that no parameter turns are equal in the whole batch: one matrix serves all
            state = step.apply(state, angles if learned else angles[:1])
        return state

    def energies(self, parameters: Tensor, hamiltonian: Hamiltonian) -> Tensor:
        """Expectation values (b,)."""
        return hamiltonian.expectation(self.run(parameters))

    @torch.no_grad()
    def gradient(
        self, parameters: Tensor, hamiltonian: Hamiltonian, initial: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Expectation values (b,) and their derivatives (b, P), float64, by reversible adjoint."""
        angles = self._angles.of(parameters)
        batch, state = angles.shape[0], self.forward(angles, initial)
        if state.shape[0] != batch:
            angles, batch = angles.expand(state.shape[0], -1), state.shape[0]
        image = hamiltonian.apply(state)
        energy = (state.conj() * image).sum(1).real.double()
        both = torch.cat((state, image))
        del state, image
        twice = angles if angles.shape[0] == 1 else torch.cat((angles, angles))
        slopes = torch.zeros(batch, angles.shape[1], dtype=torch.float64, device=self.device)
        for step, learned in zip(
            reversed(self._steps), reversed(self._angles.learned), strict=True
        ):
            if learned:
                slopes[:, step.columns] = step.slopes(both[batch:], both[:batch])
            both = step.undo(both, twice if learned else twice[:1])
        return energy, self._angles.back(slopes)

    def parameter_shift(self, parameters: Tensor, energies: Callable[[Tensor], Tensor]) -> Tensor:
        """Derivatives (P,) by shifting each angle by a quarter turn both ways.

        Args:
            parameters: (1, P).
            energies: from the angles of all steps (b, A) to energies (b,), exact or from shots.

        Exact for generators whose eigenvalues differ by one, which those of all steps do: P/2, and
        the projector of a controlled phase.
        """
        angles = self._angles.of(parameters)
        turned = self._angles.turned
        shift = torch.zeros(len(turned), angles.shape[1], dtype=torch.float64, device=self.device)
        shift[torch.arange(len(turned)), turned] = torch.pi / 2
        values = energies(torch.cat((angles + shift, angles - shift))).double()
        slopes = torch.zeros_like(angles)
        slopes[0, turned] = (values[: len(turned)] - values[len(turned) :]) / 2
        return self._angles.back(slopes)[0]
