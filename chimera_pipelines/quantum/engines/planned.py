"""Several engines behind one: a planner gives each circuit to the one that suits it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines.aer import AerEngine
from chimera_pipelines.quantum.engines.aer_program import AerProgram
from chimera_pipelines.quantum.engines.protocol import Held, Job, Request
from chimera_pipelines.quantum.form import Form
from chimera_pipelines.quantum.planner import Tools, installed, jobs


class Performer(Protocol):
    """The part of an engine that does what was planned."""

    @property
    def compilations(self) -> int:
        """How many structures were compiled so far."""
        ...

    def perform(self, planned: Sequence[Job], request: Request) -> list[Held]:
        """What each job gives, in order."""
        ...


class PlannedEngine:
    """Aer, and beside it what is installed; the others are imported at first use."""

    name = "planned"

    def __init__(self, device: str = "CPU", tools: Tools | None = None) -> None:
        self._device = device
        self._aer = AerEngine(device)
        self._tools = installed(device, self._aer.methods) if tools is None else tools
        self._engines: dict[str, Performer] = {"aer": self._aer}

    @property
    def compilations(self) -> int:
        """How many structures were compiled so far, by all engines."""
        return sum(engine.compilations for engine in self._engines.values())

    def compile(self, form: Form, *, method: str, precision: str) -> AerProgram:
        """Aer's program of a form's structure; see `engines.protocol.Engine.compile`."""
        return self._aer.compile(form, method=method, precision=precision)

    def propagate(self, circuits: Sequence[Embedded], request: Request) -> tuple[Held, ...]:
        """Each circuit by the engine chosen for it; see `engines.protocol.Engine.propagate`."""
        planned = jobs(circuits, request, self._tools)
        held: dict[int, Held] = {}
        for name in dict.fromkeys(job.choice.engine for job in planned):
            mine = [job for job in planned if job.choice.engine == name]
            found = self._engine(name).perform(mine, request)
            held |= {job.at: item for job, item in zip(mine, found, strict=True)}
        return tuple(held[at] for at in range(len(planned)))

    def _engine(self, name: str) -> Performer:
        if name not in self._engines:
            self._engines[name] = _OPENERS[name](self._aer, self._device)
        return self._engines[name]


def _open_qsim(_: AerEngine, __: str) -> Performer:
    from chimera_pipelines.quantum.engines.qsim import QsimEngine

    return QsimEngine()


def _open_lightcone(aer: AerEngine, _: str) -> Performer:
    from chimera_pipelines.quantum.engines.lightcone import LightConeEngine

    return LightConeEngine(aer)


def _open_torch(_: AerEngine, device: str) -> Performer:
    from chimera_pipelines.quantum.engines.torch_statevector import TorchEngine

    return TorchEngine(device)


_OPENERS: dict[str, Callable[[AerEngine, str], Performer]] = {
    "qsim": _open_qsim,
    "lightcone": _open_lightcone,
    "torch": _open_torch,
}
