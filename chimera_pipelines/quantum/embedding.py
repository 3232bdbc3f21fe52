"""Classical features → state preparation in front of a circuit (MAML.md §3, phase 2).

Angle embedding puts one rotation a number in front, basis embedding flips qubits, IQP embedding
repeats Hadamards and phases of single numbers and of products of two, amplitude embedding sets the
state that the circuit starts from. But for basis embedding none changes the circuit's structure
from row to row. `embedding_states` makes the same states in torch, all rows at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.adjoint import adjoint
from chimera_pipelines.quantum.form import Factor
from chimera_pipelines.quantum.gates import STATE_PREPARATION
from chimera_pipelines.quantum.operations import Operation, Register
from chimera_pipelines.quantum.reals import finite_real, shown
from chimera_pipelines.quantum.record import CircuitRecord

METHODS = ("angle", "amplitude", "basis", "iqp")
AXES = ("rx", "ry", "rz")
PADS = ("error", "zero")
MAX_AMPLITUDE_QUBITS = 30
MAX_REPEATS = 16
DEFAULT_REPEATS = 2

_OPTIONS = ("qubits", "axis", "scale", "pad", "repeats")

Row = tuple[complex, ...]  # of floats but for amplitudes


@dataclass(frozen=True, slots=True)
class Embedding:
    """Rows of features and how they enter a circuit.

    Attributes:
        method: one of METHODS.
        rows: one tuple of finite numbers for each circuit to run; complex for amplitudes alone.
        is_list: whether the features were a list of lists, so that results are a list.
        qubits: the embedding acts on qubits 0 … qubits−1; None: the circuit's width.
        axis: rotation of angle embedding.
        scale: factor of each angle, of angle and IQP embedding.
        pad: "zero" lets amplitude embedding fill missing values with 0.
        repeats: how often IQP embedding repeats Hadamards and phases.
    """

    method: str
    rows: tuple[Row, ...]
    is_list: bool = False
    qubits: int | None = None
    axis: str = "ry"
    scale: float = 1.0
    pad: str = "error"
    repeats: int = DEFAULT_REPEATS

    @classmethod
    def of(
        cls,
        method: object,
        *,
        qubits: object = None,
        axis: object = "ry",
        scale: object = 1.0,
        pad: object = "error",
        repeats: object = DEFAULT_REPEATS,
    ) -> Embedding:
        """An embedding still without rows, of options that somebody gave.

        Raises:
            KernelError: MAML412 for options that do not exist.
        """
        if method not in METHODS:
            raise embed_error(
                f"embedding method {method!r:.40}", hint=f"one of {', '.join(METHODS)}"
            )
        if axis not in AXES:
            raise embed_error(f"embedding around {axis!r:.40}", hint=f"one of {', '.join(AXES)}")
        if pad not in PADS:
            raise embed_error(f"embedding with pad {pad!r:.40}", hint=f"one of {', '.join(PADS)}")
        if qubits is not None and (not _whole(qubits) or qubits < 1):
            raise embed_error(f"embedding on {shown(qubits)} qubits")
        if not _whole(repeats) or not 1 <= repeats <= MAX_REPEATS:
            raise embed_error(
                f"embedding with {shown(repeats)} repeats; from 1 to {MAX_REPEATS} are allowed"
            )
        return cls(
            method=str(method),
            rows=(),
            qubits=qubits,
            axis=str(axis),
            scale=_finite(scale),
            pad=str(pad),
            repeats=repeats,
        )

    @classmethod
    def from_options(cls, options: Mapping[str, JSONValue], features: JSONValue) -> Embedding:
        """The embedding that a kernel's `embedding` option and its features ask for.

        Raises:
            KernelError: MAML412 for features that are no list of finite numbers or list of such
                lists, that are empty, for numbers that the method does not take, or for options
                that do not exist.
        """
        given = {name: options[name] for name in _OPTIONS if name in options}
        made = cls.of(options.get("method"), **given)
        if not isinstance(features, list) or not features:
            raise embed_error("the features are not a list of numbers, or are empty")
        several = all(isinstance(row, list) for row in features)
        rows = tuple(_row(row, made.method) for row in (features if several else [features]))
        return replace(made, rows=rows, is_list=several)


@dataclass(frozen=True, slots=True)
class Embedded:
    """One circuit with its state preparation: a record and the product state it starts from."""

    record: CircuitRecord
    factors: tuple[Factor, ...] = ()


def embed(
    circuits: Sequence[CircuitRecord], embedding: Embedding | None, *, is_list: bool
) -> tuple[tuple[Embedded, ...], bool]:
    """Circuits paired with rows, and whether the result is a list.

    One circuit takes every row in turn. In a list of m circuits one row goes in front of each and
    m rows go in front of the m circuits pairwise.

    Raises:
        KernelError: MAML412 for any other counts, for rows of several lengths in front of one
            circuit, and for rows that do not fit a circuit.
    """
    if embedding is None:
        return tuple(Embedded(circuit) for circuit in circuits), is_list
    rows = embedding.rows
    if not is_list:
        _check_lengths(rows)
        pairs = [(circuits[0], row) for row in rows]
    elif len(rows) in {1, len(circuits)}:
        pairs = [(circuit, rows[i % len(rows)]) for i, circuit in enumerate(circuits)]
    else:
        raise embed_error(
            f"{len(rows)} rows of features for {len(circuits)} circuits",
            hint="give one row, or as many rows as circuits",
        )
    made = tuple(_prepare(circuit, row, embedding) for circuit, row in pairs)
    return made, is_list or embedding.is_list


def _check_lengths(rows: Sequence[Row]) -> None:
    """Rows of one circuit are equally long: a short one is a lost value, not a smaller state."""
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise embed_error(
                f"row {number} of the features has {len(row)} numbers, row 0 has {len(rows[0])}",
                hint="rows in front of one circuit are of one length",
            )


def overlap_circuit(embedding: Embedding, left: Row, right: Row, num_qubits: int) -> CircuitRecord:
    """A circuit whose amplitude at |0…0⟩ is ⟨left|right⟩: `right` embedded, `left` undone.

    Raises:
        KernelError: MAML412 for rows that do not fit.
    """
    blank = CircuitRecord(
        num_qubits, (Register("q", tuple(range(num_qubits))),), 0, (), operations=()
    )
    forward, backward = (_steps(blank, row, embedding) for row in (right, left))
    return replace(blank, operations=(*forward, *adjoint(backward)))


def _steps(circuit: CircuitRecord, row: Row, embedding: Embedding) -> tuple[Operation, ...]:
    """The embedding of one row as operations alone."""
    made = _prepare(circuit, row, embedding)
    prepared = (
        Operation(STATE_PREPARATION, factor.qubits, entries=factor.amplitudes)
        for factor in made.factors
    )
    return (*prepared, *made.record.operations)


def _prepare(circuit: CircuitRecord, row: Row, embedding: Embedding) -> Embedded:
    qubits = embedding.qubits if embedding.qubits is not None else circuit.num_qubits
    if qubits > circuit.num_qubits:
        raise embed_error(f"embedding on {qubits} qubits; the circuit has {circuit.num_qubits}")
    if embedding.method == "amplitude":
        values = amplitudes(row, qubits, embedding.pad)
        used = (len(values) - 1).bit_length()
        return Embedded(circuit, (Factor(tuple(range(used)), values),))
    if len(row) > qubits:
        what = "bits" if embedding.method == "basis" else "angles"
        raise embed_error(
            f"{len(row)} {what} for {qubits} qubits", hint="at most one number a qubit"
        )
    numbers = [x.real for x in row]
    if embedding.method == "basis":
        front = tuple(Operation("x", (q,)) for q, x in enumerate(numbers) if x)
    elif embedding.method == "iqp":
        front = _iqp([_finite(embedding.scale * x) for x in numbers], embedding.repeats)
    else:
        front = tuple(
            Operation(embedding.axis, (qubit,), params=(_finite(embedding.scale * x),))
            for qubit, x in enumerate(numbers)
        )
    return Embedded(replace(circuit, operations=front + circuit.operations))


def _iqp(angles: Sequence[float], repeats: int) -> tuple[Operation, ...]:
    """Repeated: H on all, then exp(-i/2 (Σ a_q Z_q + Σ_{p<q} a_p a_q Z_p Z_q)).

    Source: Havlíček et al., Supervised learning with quantum-enhanced feature spaces, Nature 567,
    209 (2019), with the coefficients of instantaneous quantum polynomial circuits.
    """
    once = [Operation("h", (q,)) for q in range(len(angles))]
    once += [Operation("rz", (q,), params=(a,)) for q, a in enumerate(angles)]
    once += [
        Operation("rzz", (p, q), params=(_finite(angles[p] * angles[q]),))
        for q in range(len(angles))
        for p in range(q)
    ]
    return tuple(once * repeats)


def amplitudes(row: Row, qubits: int, pad: str) -> tuple[complex, ...]:
    """The normalised amplitudes of the fewest qubits that hold them, at least one.

    Raises:
        KernelError: MAML412 for more than 2^qubits, for fewer unless pad is "zero", for a zero
            vector.
    """
    if qubits > MAX_AMPLITUDE_QUBITS:
        raise embed_error(
            f"amplitude embedding on {qubits} qubits", hint="set qubits to those it needs"
        )
    size = 1 << qubits
    if len(row) > size:
        raise embed_error(f"{len(row)} amplitudes for {qubits} qubits, which hold {size}")
    if len(row) < size and pad != "zero":
        raise embed_error(
            f"{len(row)} amplitudes for {qubits} qubits, which hold {size}",
            hint="set pad: zero to fill up with zeros",
        )
    largest = max(max(abs(x.real), abs(x.imag)) for x in row)
    if largest == 0.0:
        raise embed_error("a vector of zeros has no direction to embed")
    scaled = [_divided(x, largest) for x in row]  # so that squares neither overflow nor vanish
    norm = math.sqrt(math.fsum(part * part for x in scaled for part in (x.real, x.imag)))
    used = max(1, (len(row) - 1).bit_length())
    return (*(x / norm for x in scaled), *[0j] * ((1 << used) - len(row)))


def _divided(value: complex, by: float) -> complex:
    return complex(value.real / by, value.imag / by)


def _row(row: object, method: str) -> Row:
    if not isinstance(row, list) or not row:
        raise embed_error("a row of features is empty or nested too deep")
    if method == "amplitude":
        return tuple(_amplitude(x) for x in row)
    numbers = tuple(_finite(x) for x in row)
    if method == "basis" and not set(numbers) <= {0.0, 1.0}:
        wrong = next(x for x in numbers if x not in (0.0, 1.0))
        raise embed_error(f"feature {wrong!r} is no bit", hint="basis embedding takes 0 and 1")
    return numbers


def _amplitude(value: object) -> complex:
    """A number, or {re: …, im: …}."""
    if isinstance(value, dict) and set(value) == {"re", "im"}:
        return complex(_finite(value["re"]), _finite(value["im"]))
    return _finite(value)


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: object) -> float:
    number = finite_real(value)
    if number is None:
        raise embed_error(f"{shown(value)} is no finite number")
    return number


def embed_error(message: str, *, hint: str | None = None) -> KernelError:
    """MAML412 of phase 2."""
    return KernelError("MAML412", message, phase=Phase.EMBED, hint=hint)
