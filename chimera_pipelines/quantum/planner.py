"""Which engine simulates a circuit, and why: by width, entanglement, memory, precision, installed.

Strategy, for `method: automatic`:
1. A state vector to 28 qubits where it fits. From 22 qubits a Clifford circuit goes to the
   stabilizer, from 24 one of bonds up to 16 to a matrix product state: both are exact there too.
2. Wider, or without room: stabilizer (Clifford), light cones of at most 20 qubits (exact
   expectation values), a matrix product state while the bond bound of the circuit's cuts is at most
   256, wide light cones by tensor contraction (extra `tensor`).
3. Nothing: refused, with the bytes and the bounds.
A method that the document names is honoured or refused, never replaced. In single precision qsim
(extra `fast-cpu`) evolves state vectors from 16 qubits on a CPU; it has no double precision, so it
never answers for that. Many small circuits of one structure are rows of a batch in torch
(`engines.batches`). Nothing here imports a simulator.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.quantum.embedding import Embedded
from chimera_pipelines.quantum.engines import cones
from chimera_pipelines.quantum.engines.batches import batched
from chimera_pipelines.quantum.engines.choice import (
    AUTOMATIC_STATE_QUBITS,
    MAX_STATE_QUBITS,
    check_request,
    readable,
    refuse,
    state_bytes,
    too_large,
)
from chimera_pipelines.quantum.engines.entanglement import bond_exponents, chain_bytes
from chimera_pipelines.quantum.engines.protocol import (
    AMPLITUDE_BYTES,
    METHODS,
    Choice,
    Job,
    Request,
)
from chimera_pipelines.quantum.engines.translation import fits_qsim
from chimera_pipelines.quantum.form import Form, analyse, is_clifford

QSIM_QUBITS = 16
CLIFFORD_QUBITS = 22
CHAIN_QUBITS = 24
SMALL_BOND = 4  # log2
MAX_BOND = 8
MAX_CONE_QUBITS = 20
MAX_CONTRACTED_LETTERS = 10
AER_METHODS = frozenset({"statevector", "density_matrix", "matrix_product_state", "stabilizer"})
LIGHT_CONES = "light_cones"
TENSOR_NETWORK = "tensor_network"


@dataclass(frozen=True, slots=True)
class Tools:
    """What can be used here.

    Attributes:
        aer: methods of the installed Aer on the head's device.
        qsim: whether qsim is here and the head is a CPU.
        cones: whether light cones may be cut; not by Aer alone.
        batches: whether rows of one structure may go to the torch state vector.
        tensor: whether quimb and cotengra are here.
    """

    aer: frozenset[str] = AER_METHODS
    qsim: bool = False
    cones: bool = False
    batches: bool = False
    tensor: bool = False


def installed(device: str = "cpu", aer: frozenset[str] = AER_METHODS) -> Tools:
    """The tools of this environment, found without importing them."""

    def here(*names: str) -> bool:
        return all(importlib.util.find_spec(name) is not None for name in names)

    return Tools(
        aer,
        qsim=device.lower() == "cpu" and here("qsimcirq"),
        cones=True,
        batches=True,
        tensor=here("quimb", "cotengra"),
    )


def jobs(circuits: Sequence[Embedded], request: Request, tools: Tools) -> tuple[Job, ...]:
    """Each circuit analysed, with its choice; errors as `choose`."""
    made = []
    for at, circuit in enumerate(circuits):
        form = analyse(circuit.record, circuit.factors)
        check_request(form, request)
        made.append(Job(at, form, choose(form, request, tools, at)))
    kept = [job for job in made if stays(job)]
    needed = sum(state_bytes(job.form, request) for job in kept)
    if needed > request.room:
        raise too_large(kept[0].form, request, needed, len(kept))
    return tuple(batched(made) if tools.batches else made)


def stays(job: Job) -> bool:
    """Whether the job leaves a state vector on the head, to be measured."""
    return job.choice.method == "statevector" and not job.form.dynamic


def choose(form: Form, request: Request, tools: Tools, at: int = 0) -> Choice:
    """The engine and method of one circuit; `at` is its place among the observables.

    Raises:
        KernelError: MAML413 when nothing holds the circuit, MAML319 for a request that the method
            asked for cannot answer.
        HeadUnavailableError: MAML905 for a method that is not installed here.
    """
    if request.method not in METHODS:
        raise refuse(f"unknown method {request.method!r}", f"one of {', '.join(METHODS)}")
    if request.noise is not None:
        return _noisy(form, request)
    if request.method == "automatic":
        return _automatic(form, request, tools, at)
    if request.method == TENSOR_NETWORK:
        return _tensor_network(form, request, tools, at)
    return _asked(form, request, tools)


def _noisy(form: Form, request: Request) -> Choice:
    if request.method not in {"automatic", "density_matrix"}:
        raise refuse(f"noise on {request.method!r}", "noise needs backend {method: density_matrix}")
    return _density_matrix(form, request, "noise is asked for")


def _asked(form: Form, request: Request, tools: Tools) -> Choice:
    if request.method not in tools.aer:
        raise _missing(request.method)
    if request.method == "statevector":
        if form.body.num_qubits > MAX_STATE_QUBITS or not _has_room(form, request):
            raise too_large(form, request, state_bytes(form, request))
        return _state_vector(form, request, tools, "asked for")
    if request.method == "density_matrix":
        return _density_matrix(form, request, "asked for")
    if request.method == "stabilizer":
        return _stabilizer(form, "asked for")
    return _chain(request, bond_exponents(form), "asked for")


def _automatic(form: Form, request: Request, tools: Tools, at: int) -> Choice:
    qubits = form.body.num_qubits
    readable_here = request.shots is not None or request.observables is not None
    clifford = qubits >= CLIFFORD_QUBITS and not form.factors and is_clifford(form.body)
    if qubits <= AUTOMATIC_STATE_QUBITS and _has_room(form, request):
        if clifford and readable_here:
            return _stabilizer(form, "every gate is a Clifford gate")
        if qubits >= CHAIN_QUBITS and readable_here:
            bonds = bond_exponents(form)
            if max(bonds) <= SMALL_BOND:
                return _chain(request, bonds, f"bonds are at most {1 << max(bonds)}")
        return _state_vector(form, request, tools, "it fits")
    if not form.factors and is_clifford(form.body):
        return _stabilizer(form, "every gate is a Clifford gate")
    return _wide(form, request, tools, at)


def _wide(form: Form, request: Request, tools: Tools, at: int) -> Choice:
    """The method of a circuit that is no Clifford circuit and whose state vector does not fit."""
    widest = _widest_cone(form, request, at) if tools.cones else None
    if widest is not None and widest <= cone_qubits(request):
        return _light_cones(request, widest, LIGHT_CONES)
    bonds = bond_exponents(form)
    largest = max(bonds, default=0)
    amplitude = AMPLITUDE_BYTES[request.precision]
    if largest <= MAX_BOND and chain_bytes(bonds, amplitude) <= request.room:
        return _chain(request, bonds, f"bonds are at most {1 << largest}")
    if widest is not None and tools.tensor and _contractible(request, at):
        return _light_cones(request, widest, LIGHT_CONES)
    raise _nothing_holds(form, request, largest, widest)


def _nothing_holds(form: Form, request: Request, largest: int, widest: int | None) -> KernelError:
    error = too_large(form, request, state_bytes(form, request))
    limit = cone_qubits(request)
    bound = f"the bond bound of a matrix product state is 2^{largest}, 2^{MAX_BOND} at most here"
    error.message += f"; {bound}"
    if widest is not None:
        error.message += f"; the widest light cone has {widest} qubits, {limit} at most "
        error.message += "without tensor contraction"
        error.hint = "install the extra 'tensor' (quimb and cotengra), or use " + (error.hint or "")
    return error


def _state_vector(form: Form, request: Request, tools: Tools, why: str) -> Choice:
    qubits, size = form.body.num_qubits, state_bytes(form, request)
    text = f"{why}: {qubits} qubits in {request.precision} precision are {readable(size)}"
    fast = (
        request.precision == "single"
        and qubits >= QSIM_QUBITS
        and not form.dynamic
        and fits_qsim(form)
    )
    if fast and tools.qsim:
        return Choice("qsim", "statevector", text + ", from 16 qubits by qsim", size)
    if fast and tools.cones:
        text += "; the extra 'fast-cpu' would make it faster on a CPU"
    return Choice("aer", "statevector", text, size)


def _density_matrix(form: Form, request: Request, why: str) -> Choice:
    size = state_bytes(form, request, power=2)
    if size > request.room:
        raise too_large(form, request, size)
    text = f"{why}: {form.body.num_qubits} qubits squared are {readable(size)}"
    return Choice("aer", "density_matrix", text, size)


def _chain(request: Request, bonds: Sequence[int], why: str) -> Choice:
    size = chain_bytes(bonds, AMPLITUDE_BYTES[request.precision])
    text = f"{why}; bond bound 2^{max(bonds, default=0)} over the cuts of {len(bonds) + 1} qubits"
    return Choice("aer", "matrix_product_state", text, size)


def _light_cones(request: Request, widest: int, method: str) -> Choice:
    how = "state vectors" if widest <= cone_qubits(request) else "state vectors and contraction"
    if method == TENSOR_NETWORK:
        how = "contraction"
    size = AMPLITUDE_BYTES[request.precision] << min(widest, cone_qubits(request))
    text = f"no term sees more than {widest} qubits; light cones by {how}"
    return Choice("lightcone", method, text, size)


def _tensor_network(form: Form, request: Request, tools: Tools, at: int) -> Choice:
    widest = _widest_cone(form, request, at) if tools.cones else None
    if widest is not None and tools.tensor:
        if not _contractible(request, at):
            raise refuse(
                f"a Pauli string of more than {MAX_CONTRACTED_LETTERS} letters by contraction",
                "use backend {method: automatic}, or shorter strings",
            )
        return _light_cones(request, widest, TENSOR_NETWORK)
    if TENSOR_NETWORK in tools.aer:
        return Choice("aer", TENSOR_NETWORK, "asked for", 0)
    if widest is None and tools.tensor:
        raise refuse(
            "'tensor_network' on a CPU answers exact expectation values of unitary circuits alone",
            "define 'observable' with 'shots: exact', or use matrix_product_state",
        )
    raise _missing(TENSOR_NETWORK)


def _widest_cone(form: Form, request: Request, at: int) -> int | None:
    """Qubits of the widest light cone; None where light cones cannot answer."""
    if request.observables is None or request.shots is not None:
        return None
    if form.dynamic or form.factors:
        return None
    strings = request.observables[at].strings
    return max(cones.width(form.body, string) for string, _ in strings)


def _contractible(request: Request, at: int) -> bool:
    """Whether no string has more letters than a contraction can take."""
    strings = (request.observables or ())[at].strings
    return all(len(s) - s.count("I") <= MAX_CONTRACTED_LETTERS for s, _ in strings)


def cone_qubits(request: Request) -> int:
    """The widest light cone that is evolved as a state vector; wider ones are contracted."""
    amplitudes = max(1, request.room // AMPLITUDE_BYTES[request.precision])
    return min(MAX_CONE_QUBITS, amplitudes.bit_length() - 1)


def _has_room(form: Form, request: Request) -> bool:
    return state_bytes(form, request) <= request.room


def _stabilizer(form: Form, why: str) -> Choice:
    qubits = form.body.num_qubits
    size = qubits * (2 * qubits + 1) // 4 + 1
    return Choice("aer", "stabilizer", f"{why}: a tableau of {qubits} qubits", size)


def _missing(method: str) -> HeadUnavailableError:
    hint = (
        "install the extra 'tensor' (quimb and cotengra) for exact expectation values; counts need "
        "a GPU head with qiskit-aer-gpu and cuTensorNet"
        if method == TENSOR_NETWORK
        else "see 'chimera doctor'"
    )
    return HeadUnavailableError("MAML905", f"no head here simulates by {method!r}", hint=hint)
