"""Classical features → state preparation in front of a circuit (MAML.md §3, phase 2).

Angle embedding puts one rotation a number in front, amplitude embedding sets the state that the
circuit starts from. Neither changes the circuit's structure from row to row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.form import Factor
from chimera_pipelines.quantum.operations import Operation
from chimera_pipelines.quantum.record import CircuitRecord

AXES = ("rx", "ry", "rz")
MAX_AMPLITUDE_QUBITS = 30


@dataclass(frozen=True, slots=True)
class Embedding:
    """Rows of features and how they enter a circuit.

    Attributes:
        method: "angle" or "amplitude".
        rows: one tuple of finite numbers for each circuit to run.
        is_list: whether the features were a list of lists, so that results are a list.
        qubits: the embedding acts on qubits 0 … qubits−1; None: the circuit's width.
        axis: rotation of angle embedding.
        scale: factor of each angle.
        pad: "zero" lets amplitude embedding fill missing values with 0.
    """

    method: str
    rows: tuple[tuple[float, ...], ...]
    is_list: bool = False
    qubits: int | None = None
    axis: str = "ry"
    scale: float = 1.0
    pad: str = "error"

    @classmethod
    def from_options(cls, options: Mapping[str, JSONValue], features: JSONValue) -> Embedding:
        """The embedding that a kernel's `embedding` option and its features ask for.

        Raises:
            KernelError: MAML412 for features that are no list of finite numbers or list of such
                lists, that are empty, or for options that do not exist.
        """
        method, axis = options.get("method"), options.get("axis", "ry")
        qubits, scale = options.get("qubits"), options.get("scale", 1.0)
        if method not in {"angle", "amplitude"} or axis not in AXES:
            raise _bad(f"embedding method {method!r} around {axis!r}")
        if qubits is not None and (not isinstance(qubits, int) or qubits < 1):
            raise _bad(f"embedding on {qubits!r} qubits")
        if not isinstance(features, list) or not features:
            raise _bad("the features are not a list of numbers, or are empty")
        several = all(isinstance(row, list) for row in features)
        rows = features if several else [features]
        return cls(
            method=str(method),
            rows=tuple(_row(row) for row in rows),
            is_list=several,
            qubits=qubits,
            axis=str(axis),
            scale=_finite(scale),
            pad=str(options.get("pad", "error")),
        )


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
        KernelError: MAML412 for any other counts, and for rows that do not fit a circuit.
    """
    if embedding is None:
        return tuple(Embedded(circuit) for circuit in circuits), is_list
    rows = embedding.rows
    if not is_list:
        pairs = [(circuits[0], row) for row in rows]
    elif len(rows) in {1, len(circuits)}:
        pairs = [(circuit, rows[i % len(rows)]) for i, circuit in enumerate(circuits)]
    else:
        raise _bad(
            f"{len(rows)} rows of features for {len(circuits)} circuits",
            hint="give one row, or as many rows as circuits",
        )
    made = tuple(_prepare(circuit, row, embedding) for circuit, row in pairs)
    return made, is_list or embedding.is_list


def _prepare(circuit: CircuitRecord, row: Sequence[float], embedding: Embedding) -> Embedded:
    qubits = embedding.qubits if embedding.qubits is not None else circuit.num_qubits
    if qubits > circuit.num_qubits:
        raise _bad(f"embedding on {qubits} qubits; the circuit has {circuit.num_qubits}")
    if embedding.method == "amplitude":
        return Embedded(circuit, (_amplitudes(row, qubits, embedding.pad),))
    if len(row) > qubits:
        raise _bad(f"{len(row)} angles for {qubits} qubits", hint="at most one number a qubit")
    turns = tuple(
        Operation(embedding.axis, (qubit,), params=(_finite(embedding.scale * x),))
        for qubit, x in enumerate(row)
    )
    return Embedded(replace(circuit, operations=turns + circuit.operations))


def _amplitudes(row: Sequence[float], qubits: int, pad: str) -> Factor:
    if qubits > MAX_AMPLITUDE_QUBITS:
        raise _bad(f"amplitude embedding on {qubits} qubits", hint="set qubits to those it needs")
    size = 1 << qubits
    if len(row) > size:
        raise _bad(f"{len(row)} amplitudes for {qubits} qubits, which hold {size}")
    if len(row) < size and pad != "zero":
        raise _bad(
            f"{len(row)} amplitudes for {qubits} qubits, which hold {size}",
            hint="set pad: zero to fill up with zeros",
        )
    largest = max(map(abs, row))
    if largest == 0.0:
        raise _bad("a vector of zeros has no direction to embed")
    scaled = [x / largest for x in row]  # so that squares neither overflow nor vanish
    norm = math.sqrt(math.fsum(x * x for x in scaled))
    used = max(1, (len(row) - 1).bit_length())
    values = [complex(x / norm) for x in scaled] + [0j] * ((1 << used) - len(row))
    return Factor(tuple(range(used)), tuple(values))


def _row(row: object) -> tuple[float, ...]:
    if not isinstance(row, list) or not row:
        raise _bad("a row of features is empty or nested too deep")
    return tuple(_finite(x) for x in row)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _bad(f"feature {value!r:.80} is not a number")
    if not math.isfinite(value):
        raise _bad(f"feature {value!r} is not finite")
    return float(value)


def _bad(message: str, *, hint: str | None = None) -> KernelError:
    return KernelError("MAML412", message, phase=Phase.EMBED, hint=hint)
