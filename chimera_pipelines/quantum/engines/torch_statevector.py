"""The batched torch state vector behind the `Engine` protocol: many small circuits in one pass.

Rows of a batch share a structure; each has its own angles, product state to start from and global
phase. Batches are cut so that the states of one pass stay in the cache.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch

from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.aer_program import product_state
from chimera_pipelines.quantum.engines.choice import refuse
from chimera_pipelines.quantum.engines.protocol import Choice, Evolved, Held, Job, Request
from chimera_pipelines.quantum.form import Form
from chimera_pipelines.quantum.planner import Tools, jobs
from chimera_pipelines.quantum.sampling import State
from chimera_pipelines.quantum.statevector.circuit import program_of, takes
from chimera_pipelines.quantum.statevector.simulator import Simulator

MAX_PROGRAMS = 256
MAX_PROGRAM_BYTES = 256 << 20  # of all kept programs together
CACHED_AMPLITUDES = 1 << 16  # of a pass on a CPU; a GPU takes all rows at once


@dataclass(frozen=True, slots=True, eq=False)
class TorchProgram:
    """A structure whose angles are parameters; rows of them are evolved together."""

    structure: str
    simulator: Simulator
    method: str = "statevector"

    @torch.no_grad()
    def evolve(self, forms: Sequence[Form]) -> list[State]:
        """The state vector of each form, on the host: shape (2^n,), bit q of an index is qubit q.

        Raises:
            KernelError: MAML412 for an angle that is not finite.
        """
        qubits = self.simulator.program.num_qubits
        rows = len(forms)
        if self.simulator.device.type == "cpu":
            rows = max(1, CACHED_AMPLITUDES >> qubits)
        states: list[State] = []
        for first in range(0, len(forms), rows):
            states += self._pass(forms[first : first + rows])
        return states

    def _pass(self, forms: Sequence[Form]) -> list[State]:
        simulator = self.simulator
        started = None
        if any(form.factors for form in forms):
            qubits = simulator.program.num_qubits
            vectors = np.stack([product_state(form.factors, qubits) for form in forms])
            started = torch.from_numpy(vectors).to(simulator.device, simulator.dtype)
        table = np.array([form.angles for form in forms]).reshape(len(forms), -1)
        found = simulator.run(simulator.parameters(table), started)
        phases = torch.tensor([form.body.global_phase for form in forms], dtype=torch.float64)
        turns = torch.polar(torch.ones_like(phases), phases)[:, None]
        host = (found * turns.to(found.device, found.dtype)).cpu().numpy()
        return [cast("State", row) for row in host]


class _Kept:
    """The programs used last, bounded in number and bytes; one beyond the bytes is not kept."""

    def __init__(self) -> None:
        self._programs: OrderedDict[tuple[str, str], TorchProgram] = OrderedDict()
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._programs)

    def find(self, key: tuple[str, str]) -> TorchProgram | None:
        """The program of that key, now the one used last."""
        program = self._programs.get(key)
        if program is not None:
            self._programs.move_to_end(key)
        return program

    def keep(self, key: tuple[str, str], program: TorchProgram) -> None:
        """Keep a new program in place of those that were not used for longest."""
        size = program.simulator.nbytes
        if size > MAX_PROGRAM_BYTES:
            return
        self._programs[key] = program
        self.nbytes += size
        while self.nbytes > MAX_PROGRAM_BYTES or len(self) > MAX_PROGRAMS:
            _, oldest = self._programs.popitem(last=False)
            self.nbytes -= oldest.simulator.nbytes


class TorchEngine:
    """Batches of state vectors on the device of a head.

    Args:
        device: "CPU" or "GPU", as Aer names them.
    """

    name = "torch"

    def __init__(self, device: str = "CPU") -> None:
        self._device = "cuda" if device.upper() == "GPU" else "cpu"
        self._programs = _Kept()
        self._compilations = 0
        self._lock = threading.Lock()

    @property
    def compilations(self) -> int:
        """How many structures were compiled so far."""
        return self._compilations

    def compile(self, form: Form, *, method: str, precision: str) -> TorchProgram:
        """The program of a form's structure, compiled at most once while it is kept.

        Raises:
            KernelError: MAML319 for another method, a dynamic circuit, or a gate that it lacks.
        """
        if method != "statevector" or form.dynamic or not takes(form.body):
            raise refuse(
                f"{method!r} of this circuit by the torch state vector",
                "it evolves state vectors of unitary circuits; use backend {method: automatic}",
            )
        key = (form.structure(), precision)
        with self._lock:
            program = self._programs.find(key)
            if program is None:
                made = program_of(replace(form.body, global_phase=0.0))
                simulator = Simulator(made, device=self._device, precision=precision)
                program = TorchProgram(key[0], simulator)
                self._programs.keep(key, program)
                self._compilations += 1
        return program

    def propagate(self, circuits: Sequence[Embedded], request: Request) -> tuple[Held, ...]:
        """Each circuit evolved; see `engines.protocol.Engine.propagate`."""
        planned = jobs(circuits, request, Tools(frozenset({"statevector"})))
        return tuple(self.perform([_here(job) for job in planned], request))

    def perform(self, planned: Sequence[Job], request: Request) -> list[Held]:
        """Jobs that a planner gave to this engine, in order."""
        groups: dict[str, tuple[TorchProgram, list[Job]]] = {}
        for job in planned:
            program = self.compile(job.form, method=job.choice.method, precision=request.precision)
            groups.setdefault(program.structure, (program, []))[1].append(job)
        held: dict[int, Held] = {}
        for program, members in groups.values():
            states = program.evolve([job.form for job in members])
            for job, state in zip(members, states, strict=True):
                held[job.at] = Evolved(job.form.source, job.form.final or {}, state, job.choice)
        return [held[job.at] for job in planned]


def _here(job: Job) -> Job:
    made = job.choice
    return replace(job, choice=Choice("torch", made.method, made.reason, made.nbytes))
