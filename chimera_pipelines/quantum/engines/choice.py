"""Which method simulates a circuit, whether the request makes sense, and whether it fits."""

from __future__ import annotations

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.engines.protocol import AMPLITUDE_BYTES, METHODS, Request
from chimera_pipelines.quantum.form import Form, is_clifford

MAX_STATE_QUBITS = 34
AUTOMATIC_STATE_QUBITS = 28
MAX_EXACT_QUBITS = 20


def check_request(form: Form, request: Request) -> None:
    """Whether the circuit can answer the request.

    Raises:
        KernelError: MAML319 for exact results of a dynamic circuit, an observable of a circuit
            that measures, or counts of one that measures nothing.
    """
    if request.observables is not None and form.measures:
        raise _refuse(
            "a circuit with measurements cannot take an observable",
            "take the measurements out; the head measures the observable",
        )
    if request.observables is None and not form.measures:
        raise _refuse(
            "the circuit measures nothing", "measure it (measure_all), or define 'observable'"
        )
    if request.shots is None and form.dynamic:
        raise _refuse(
            "'shots: exact' of a circuit that measures, resets or branches before its end",
            "set shots to a number",
        )


def choose_method(form: Form, request: Request, available: frozenset[str]) -> str:
    """The method that simulates this form: never "automatic".

    Raises:
        KernelError: MAML413 when no method holds the circuit.
        HeadUnavailableError: MAML905 for a method that this device has not.
    """
    method = request.method
    if method not in METHODS:
        raise _refuse(f"unknown method {method!r}", f"one of {', '.join(METHODS)}")
    qubits = form.body.num_qubits
    if method == "automatic":
        if qubits <= AUTOMATIC_STATE_QUBITS and state_bytes(form, request) <= request.room:
            return "statevector"
        if not form.factors and is_clifford(form.body):
            return "stabilizer"
        raise too_large(form, request, state_bytes(form, request))
    if method not in available:
        raise HeadUnavailableError(
            "MAML905",
            f"no head here simulates by {method!r}",
            hint="tensor_network needs a GPU head with qiskit-aer-gpu and cuTensorNet",
        )
    if method == "statevector" and not (
        qubits <= MAX_STATE_QUBITS and state_bytes(form, request) <= request.room
    ):
        raise too_large(form, request, state_bytes(form, request))
    if method == "density_matrix" and state_bytes(form, request, power=2) > request.room:
        raise too_large(form, request, state_bytes(form, request, power=2))
    return method


def state_bytes(form: Form, request: Request, *, power: int = 1) -> int:
    """Bytes of the state vector, or with power 2 of the density matrix."""
    return int(AMPLITUDE_BYTES[request.precision] << (power * form.body.num_qubits))


def too_large(form: Form, request: Request, needed: int, states: int = 1) -> KernelError:
    """The error of a circuit that does not fit, with the bytes needed and free."""
    return KernelError(
        "MAML413",
        f"{states} x {form.body.num_qubits} qubits in {request.precision} precision need "
        f"{_size(needed)}; "
        f"{_size(request.room)} are free on this head",
        phase=Phase.PROPAGATE,
        hint="use backend {method: matrix_product_state} for circuits of little entanglement, "
        "stabilizer for Clifford circuits, or fewer qubits",
    )


def _size(number: int) -> str:
    """Bytes in full while they can be read, else as a power of two."""
    return f"{number} bytes" if number < 1 << 60 else f"2^{number.bit_length() - 1} bytes"


def _refuse(message: str, hint: str) -> KernelError:
    return KernelError("MAML319", message, phase=Phase.PROPAGATE, hint=hint)
