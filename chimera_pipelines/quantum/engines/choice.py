"""Whether a request makes sense, what a state vector needs, and the errors of what does not fit."""

from __future__ import annotations

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.engines.protocol import AMPLITUDE_BYTES, Request
from chimera_pipelines.quantum.form import Form

MAX_STATE_QUBITS = 34
AUTOMATIC_STATE_QUBITS = 28
MAX_EXACT_QUBITS = 20
_STEP = 10  # bits from one unit to the next


def check_request(form: Form, request: Request) -> None:
    """Whether the circuit can answer the request.

    Raises:
        KernelError: MAML319 for exact results of a dynamic circuit, an observable of a circuit
            that measures, or counts of one that measures nothing.
    """
    if request.observables is not None and form.measures:
        raise refuse(
            "a circuit with measurements cannot take an observable",
            "take the measurements out; the head measures the observable",
        )
    if request.observables is None and not form.measures:
        raise refuse(
            "the circuit measures nothing", "measure it (measure_all), or define 'observable'"
        )
    if request.shots is None and form.dynamic:
        raise refuse(
            "'shots: exact' of a circuit that measures, resets or branches before its end",
            "set shots to a number",
        )


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
        hint="backend {method: matrix_product_state} for circuits of little entanglement, "
        "stabilizer for Clifford circuits, or fewer qubits",
    )


def readable(number: int) -> str:
    """Bytes in the largest unit that leaves a whole number, as "4 TiB"."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
    place = min(max(number.bit_length() - 1, 0) // _STEP, len(units) - 1)
    if number >> (_STEP * place) >= 1 << _STEP:
        return f"2^{number.bit_length() - 1} bytes"
    return f"{number / (1 << (_STEP * place)):.4g} {units[place]}"


def refuse(message: str, hint: str) -> KernelError:
    """The error of a request that a circuit, or a method, cannot answer."""
    return KernelError("MAML319", message, phase=Phase.PROPAGATE, hint=hint)


def _size(number: int) -> str:
    """Bytes in full while they can be read, else as a power of two."""
    if number >= 1 << 60:
        return f"2^{number.bit_length() - 1} bytes"
    return f"{number} bytes" + ("" if number < 1 << 30 else f" ({readable(number)})")
