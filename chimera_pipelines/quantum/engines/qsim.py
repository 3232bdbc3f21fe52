"""qsim behind the `Engine` protocol: state vectors in single precision on a CPU.

Strategy: our record becomes qsim's own circuit object, gate by gate as matrices; neither Cirq nor a
transpiler is in between, and qsim fuses up to four qubits a pass (evidence/performance.md §3: 8–11
times Aer on random and ansatz circuits). Its gates take the highest bit first, ours the lowest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from qsimcirq import qsim

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.aer_program import product_state
from chimera_pipelines.quantum.engines.choice import refuse
from chimera_pipelines.quantum.engines.protocol import Choice, Evolved, Held, Job, Request
from chimera_pipelines.quantum.engines.translation import fits_qsim, matrix
from chimera_pipelines.quantum.form import Form
from chimera_pipelines.quantum.planner import Tools, jobs
from chimera_pipelines.quantum.sampling import State

FUSED_QUBITS = 4
THREADED_QUBITS = 24  # its threads spin while they wait: below, one is faster where others work too
# "z" would have denormal numbers flushed to zero in the calling thread, for whatever runs later.
_OPTIONS = {"s": 1, "r": 1, "v": 0, "z": False, "g": False, "gmode": 0, "gsst": 512, "gdb": 32}


@dataclass(frozen=True, slots=True, eq=False)
class QsimProgram:
    """A structure that qsim takes; angles come with the form that runs it."""

    structure: str
    method: str = "statevector"

    def evolve(self, form: Form) -> State:
        """The state vector, complex64 of shape (2^n,), bit q of an index being qubit q.

        Raises:
            KernelError: CHIM702, qsim returned no state.
        """
        qubits = form.body.num_qubits
        start: Any = 0
        if form.factors:
            start = product_state(form.factors, qubits).astype(np.complex64).view(np.float32)
        options = {
            **_OPTIONS,
            "c": _circuit(form),
            "t": len(os.sched_getaffinity(0)) if qubits >= THREADED_QUBITS else 1,
            "f": FUSED_QUBITS,
        }
        found = qsim.qsim_simulate_fullstate(options, start)
        state = np.asarray(found).view(np.complex64)
        if state.shape != (1 << qubits,):
            raise KernelError(
                "CHIM702", f"qsim returned {state.size} amplitudes", phase=Phase.PROPAGATE
            )
        if form.body.global_phase:
            state *= np.complex64(np.exp(1j * form.body.global_phase))
        return cast("State", state)


class QsimEngine:
    """qsim on the cores that this process may use."""

    name = "qsim"

    def __init__(self) -> None:
        self._programs: dict[str, QsimProgram] = {}

    @property
    def compilations(self) -> int:
        """How many structures were compiled so far."""
        return len(self._programs)

    def compile(self, form: Form, *, method: str, precision: str) -> QsimProgram:
        """The program of a form's structure.

        Raises:
            KernelError: MAML319 for another method or precision, a dynamic circuit, or gates of
                more than six qubits.
        """
        if method != "statevector" or precision != "single":
            raise refuse(
                f"{method!r} in {precision} precision by qsim",
                "qsim evolves state vectors in single precision",
            )
        if form.dynamic or not fits_qsim(form):
            raise refuse(
                "qsim takes unitary gates of at most six qubits", "use backend {precision: double}"
            )
        structure = form.structure()
        return self._programs.setdefault(structure, QsimProgram(structure))

    def propagate(self, circuits: Sequence[Embedded], request: Request) -> tuple[Held, ...]:
        """Each circuit evolved; see `engines.protocol.Engine.propagate`."""
        planned = jobs(circuits, request, Tools(frozenset({"statevector"})))
        return tuple(self.perform([_here(job) for job in planned], request))

    def perform(self, planned: Sequence[Job], request: Request) -> list[Held]:
        """Jobs that a planner gave to this engine, in order."""
        held: list[Held] = []
        for job in planned:
            program = self.compile(job.form, method=job.choice.method, precision=request.precision)
            state = program.evolve(job.form)
            held.append(Evolved(job.form.source, job.form.final or {}, state, job.choice))
        return held


def _here(job: Job) -> Job:
    made = job.choice
    return Job(job.at, job.form, Choice("qsim", made.method, made.reason, made.nbytes))


def _circuit(form: Form) -> Any:
    circuit = qsim.Circuit()
    circuit.num_qubits = form.body.num_qubits
    for time, step in enumerate(form.body.operations):
        entries = matrix(step).view(np.float64).ravel().tolist()
        qsim.add_matrix_gate(time, list(reversed(step.qubits)), entries, circuit)
    return circuit
