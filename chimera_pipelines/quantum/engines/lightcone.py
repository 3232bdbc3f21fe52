"""Exact expectation values of wide circuits, one light cone a Pauli string.

Strategy: each string's cone is cut out of the circuit (`cones`), equal cones once. A cone of at
most 20 qubits is a state vector by Aer; a wider one, and every one where `tensor_network` is asked
for, is contracted by quimb along a path of cotengra. The path search is most of the cost, so one
optimiser is kept and reused; it is seeded and bounded by repeats, never by time, so that a rerun is
the same run. A contraction whose largest tensor does not fit is refused before it starts.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum import sampling
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.choice import readable, refuse
from chimera_pipelines.quantum.engines.cones import Cone, cut
from chimera_pipelines.quantum.engines.protocol import (
    AMPLITUDE_BYTES,
    Choice,
    Collapsed,
    Held,
    Job,
    Request,
)
from chimera_pipelines.quantum.engines.translation import matrix
from chimera_pipelines.quantum.form import analyse
from chimera_pipelines.quantum.measurement import Measurement
from chimera_pipelines.quantum.observables import Observable
from chimera_pipelines.quantum.operations import PREPARATIONS
from chimera_pipelines.quantum.planner import TENSOR_NETWORK, cone_qubits

_REPEATS = 32
_SEED = 1
_PAULI = {
    "X": np.array([[0, 1], [1, 0]], dtype=np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]], dtype=np.complex128),
    "Z": np.array([[1, 0], [0, -1]], dtype=np.complex128),
}


class LightConeEngine:
    """Light cones on an Aer engine, and on quimb where it is installed."""

    name = "lightcone"

    def __init__(self, aer: AerEngine) -> None:
        self._aer = aer
        self._optimizer: Any = None
        self._lock = threading.Lock()

    @property
    def compilations(self) -> int:
        """None of its own: cones are programs of Aer, or are contracted."""
        return 0

    def perform(self, planned: Sequence[Job], request: Request) -> list[Held]:
        """Jobs that a planner gave to this engine, in order."""
        if request.observables is None:
            raise refuse("light cones of measured bits", "define 'observable'")
        return [
            Collapsed(
                job.form.source,
                Measurement(
                    expectation=self.expectation(job, request.observables[job.at], request),
                    registers=job.form.source.registers,
                ),
                job.choice,
            )
            for job in planned
        ]

    def expectation(self, job: Job, observable: Observable, request: Request) -> float:
        """Σ coefficient · ⟨string⟩, each string on its own cone."""
        values: dict[Cone, float] = {}
        terms = [(c, cut(job.form.body, s)) for s, c in observable.strings if s.strip("I")]
        distinct = tuple(dict.fromkeys(cone for _, cone in terms))
        contract = job.choice.method == TENSOR_NETWORK
        narrow = [c for c in distinct if not contract and c.width <= cone_qubits(request)]
        values |= zip(narrow, self._by_state_vectors(narrow, request), strict=True)
        for cone in distinct:
            if cone not in values:
                values[cone] = self._by_contraction(cone, request)
        return math.fsum([observable.constant, *(c * values[cone] for c, cone in terms)])

    def _by_state_vectors(self, cones: Sequence[Cone], request: Request) -> list[float]:
        """In batches whose states fit the room together; cones of one structure go in one call."""
        found: list[float] = []
        for cone in cones:
            observable = Observable(cone.width, ((cone.string, 1.0),))
            choice = Choice("aer", "statevector", "", 0)
            job = Job(0, analyse(cone.record), choice)
            (held,) = self._aer.perform([job], request)
            state = getattr(held, "state", None)
            if state is None:
                raise refuse("a light cone that is not unitary", "use a unitary circuit")
            found.append(sampling.expectation(state, observable))
        return found

    def _by_contraction(self, cone: Cone, request: Request) -> float:
        letters = {q: p for q, p in enumerate(reversed(cone.string)) if p != "I"}
        circuit = _network(cone)
        operator: Any = np.ones((1, 1))
        for letter in letters.values():
            operator = np.kron(operator, _PAULI[letter])
        asked: dict[str, Any] = {
            "where": tuple(letters),
            "dtype": "complex64" if request.precision == "single" else "complex128",
        }
        with self._lock:
            if self._optimizer is None:
                self._optimizer = _optimizer()
            asked["optimize"] = self._optimizer
            plan = circuit.local_expectation(operator, rehearse=True, **asked)
            _check_width(cone, float(plan["W"]), request)
            return float(np.real(circuit.local_expectation(operator, **asked)))


def _optimizer() -> Any:
    return import_module("cotengra").ReusableRandomGreedyOptimizer(
        max_repeats=_REPEATS, seed=_SEED, parallel=False
    )


def _network(cone: Cone) -> Any:
    circuit = import_module("quimb.tensor").Circuit(cone.width)
    for step in cone.record.operations:
        if step.name in PREPARATIONS:
            raise refuse("a state preparation inside a contraction", "prepare qubits by gates")
        # quimb takes the highest bit first.
        circuit.apply_gate_raw(matrix(step).copy(), tuple(reversed(step.qubits)))
    return circuit


def _check_width(cone: Cone, log2: float, request: Request) -> None:
    needed = int(AMPLITUDE_BYTES[request.precision] * 2.0**log2)
    if 2 * needed > request.room:
        raise KernelError(
            "MAML413",
            f"contracting a light cone of {cone.width} qubits needs tensors of {readable(needed)}; "
            f"{readable(request.room)} are free on this head",
            phase=Phase.PROPAGATE,
            hint="fewer layers, or an observable whose terms touch fewer qubits",
        )
