"""Aer behind the `Engine` protocol.

Strategy:
* One target and one pass manager a method, built once and kept: explicit basis, level 1, no claim
  that qubits start in |0> (amplitudes are set late). `transpile(qc, backend)` costs 150 ms because
  Aer rebuilds its target 136 times a call, the kept manager 1 ms (evidence/performance.md §2).
* Programs are kept by structure. Angles are parameters, bound when a program runs; many rows of one
  structure go through Aer in one call, by `parameter_binds` where that sees every parameter.
* `enable_truncation=False`: Aer cuts qubits outside a light cone and then reads observables off
  the wrong qubit (§4). `multiplexer` is in no basis here: Aer segfaults on a bare one (§4).
* A circuit that is unitary up to its final measurements becomes a state vector that the head keeps
  and measures. Anything else is sampled or evaluated inside Aer, shots on one thread so that
  equal seeds give equal counts whatever the number of cores.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from qiskit.circuit import Parameter
from qiskit_aer import AerSimulator

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.budget import Budget, for_counts
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.aer_program import AerProgram, pass_manager, sees_parameters
from chimera_pipelines.quantum.engines.channels import (
    check_noisy,
    faded,
    marked,
    misread,
    readout_model,
    with_channels,
)
from chimera_pipelines.quantum.engines.choice import MAX_EXACT_QUBITS
from chimera_pipelines.quantum.engines.clifford import lower
from chimera_pipelines.quantum.engines.noise import Noise
from chimera_pipelines.quantum.engines.protocol import Collapsed, Evolved, Held, Job, Request
from chimera_pipelines.quantum.estimation import estimated
from chimera_pipelines.quantum.form import Form
from chimera_pipelines.quantum.measurement import NEGLIGIBLE, Measurement, named
from chimera_pipelines.quantum.observables import Basis, Observable
from chimera_pipelines.quantum.planner import Tools, jobs, stays
from chimera_pipelines.quantum.read import to_qiskit

MAX_PROGRAMS = 256


class AerEngine:
    """Aer on one device; safe to call from several threads, one circuit batch at a time."""

    name = "aer"

    def __init__(self, device: str = "CPU") -> None:
        self._device = device
        self._programs: OrderedDict[tuple[str, str, str, Noise | None], AerProgram] = OrderedDict()
        self._simulators: dict[tuple[str, str, float], AerSimulator] = {}
        self._lock = threading.RLock()
        self._compilations = 0
        self._available = frozenset(AerSimulator().available_methods())

    @property
    def compilations(self) -> int:
        """How many structures were compiled so far."""
        return self._compilations

    @property
    def methods(self) -> frozenset[str]:
        """What the installed Aer simulates by on this device."""
        return self._available

    def compile(
        self, form: Form, *, method: str, precision: str, noise: Noise | None = None
    ) -> AerProgram:
        """The program of a form's structure, compiled at most once while it is kept.

        A stabilizer program holds its angles: whether a rotation is Clifford depends on them.

        Raises:
            KernelError: MAML319 for a gate that the method cannot simulate.
        """
        structure = form.structure(angles=method == "stabilizer")
        key = (structure, method, precision, noise)
        with self._lock:
            program = self._programs.get(key)
            if program is None:
                program = self._compile(form, structure, method, precision, noise)
                self._programs[key] = program
                if len(self._programs) > MAX_PROGRAMS:
                    self._programs.popitem(last=False)
            self._programs.move_to_end(key)
        return program

    def propagate(self, circuits: Sequence[Embedded], request: Request) -> tuple[Held, ...]:
        """Each circuit evolved or sampled; see `engines.protocol.Engine.propagate`."""
        return tuple(self.perform(jobs(circuits, request, Tools(self.methods)), request))

    def perform(self, planned: Sequence[Job], request: Request) -> list[Held]:
        """Jobs that a planner gave to this engine, in order."""
        held: dict[int, Held] = {}
        groups: dict[str, tuple[AerProgram, list[Job]]] = {}
        with self._lock:
            for job in planned:
                form, choice = job.form, job.choice
                program = self.compile(
                    form, method=choice.method, precision=request.precision, noise=request.noise
                )
                if stays(job):
                    groups.setdefault(program.structure, (program, []))[1].append(job)
                else:
                    found = evaluate(program, form, request, job.at)
                    held[job.at] = Collapsed(form.source, found, choice)
            for program, members in groups.values():
                states = program.evolve([job.form for job in members])
                for job, state in zip(members, states, strict=True):
                    final = job.form.final or {}
                    held[job.at] = Evolved(job.form.source, final, state, job.choice)
        return [held[job.at] for job in planned]

    def _compile(
        self, form: Form, structure: str, method: str, precision: str, noise: Noise | None
    ) -> AerProgram:
        self._compilations += 1
        simulator = self._simulator(method, precision, noise)
        if noise is not None:
            check_noisy(form)
        if method == "stabilizer":
            body = lower(form.body)
            return AerProgram(structure, method, to_qiskit(body), (), simulator, precision)
        parameters = tuple(Parameter(f"a{i:06d}") for i in range(len(form.angles)))
        circuit = to_qiskit(form.body, parameters)
        circuit.global_phase = 0.0
        if noise is not None:
            circuit = marked(circuit)
        compiled = pass_manager(method).run(circuit)
        if noise is not None:
            compiled = with_channels(compiled, noise)
        return AerProgram(
            structure, method, compiled, parameters, simulator, precision, sees_parameters(compiled)
        )

    def _simulator(self, method: str, precision: str, noise: Noise | None) -> AerSimulator:
        flips = 0.0 if noise is None else noise.readout
        key = (method, precision, flips)
        if key not in self._simulators:
            options = {"noise_model": readout_model(flips)} if flips else {}
            self._simulators[key] = AerSimulator(
                method=method,
                precision=precision,
                device=self._device,
                enable_truncation=False,
                max_parallel_shots=1,
                **options,
            )
        return self._simulators[key]


def evaluate(program: AerProgram, form: Form, request: Request, at: int) -> Measurement:
    """Outcomes of a circuit that no kept state vector stands for; `at` is its place in the run."""
    registers, noise = form.source.registers, request.noise
    if request.observables is not None:
        observable = request.observables[at]
        if request.shots is None:
            return Measurement(expectation=program.expectation(form, faded(observable, noise)))
        return _sampled(program, form, observable, request.shots, (request.seed, at))
    if request.shots is not None:
        shots = for_counts(request.shots)
        counts = program.counts(program.measured(form), shots, aer_seed(request.seed, at))
        used = shots if isinstance(request.shots, Budget) else None
        return Measurement(counts=named(form.source, counts), registers=registers, shots=used)
    read = len(set((form.final or {}).values()))
    if read > MAX_EXACT_QUBITS:
        raise KernelError(
            "MAML413",
            f"exact probabilities of {read} measured qubits by {program.method!r}; "
            f"at most {MAX_EXACT_QUBITS}",
            phase=Phase.PROPAGATE,
            hint="set shots to a number",
        )
    exact = misread(program.probabilities(form), form.final or {}, noise)
    chances = {k: p for k, p in exact.items() if p >= NEGLIGIBLE}
    return Measurement(probabilities=named(form.source, chances), registers=registers)


def aer_seed(seed: int, *path: int) -> int:
    """Aer's seed of one circuit (and basis) of a run."""
    return int(np.random.SeedSequence(seed, spawn_key=path).generate_state(1)[0])


def _sampled(
    program: AerProgram,
    form: Form,
    observable: Observable,
    shots: int | Budget,
    stream: tuple[int, ...],
) -> Measurement:
    """From shots; `stream` is the run's seed and the circuit's place in it."""
    seed, *at = stream

    def draw(number: int, basis: Basis, count: int, round_: int) -> dict[int, int]:
        path = (*at, number, round_) if round_ else (*at, number)
        counts = program.counts(program.turned(form, basis), count, aer_seed(seed, *path))
        outcomes: dict[int, int] = {}
        for key, n in counts.items():  # the lower bits are the circuit's own
            index = key >> form.body.num_clbits
            outcomes[index] = outcomes.get(index, 0) + n
        return outcomes

    found = estimated(observable, shots, draw)
    return Measurement(expectation=found.value, error=found.error, shots=found.shots)
