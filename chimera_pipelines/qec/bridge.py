"""Qiskit circuits as stim circuits with their detectors, and back.

The user declares the logical observables, for no circuit says what it protects; detectors are
found (`detectors.py`). Noise is put in afterwards (`noise.add_noise`), or is in neither. Qiskit is
imported only when a Qiskit circuit is given or asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import stim

from chimera_pipelines.qec.bridge_operations import BridgeError, Step, StimWriter
from chimera_pipelines.qec.detectors import annotate

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

Parities = Sequence[Sequence[Any]]
Wanted = Parities | Literal["auto", "declared"] | None


class Recorded(Protocol):
    """A circuit record, `quantum.record.CircuitRecord` for one."""

    @property
    def num_qubits(self) -> int:
        """How many qubits."""
        ...

    @property
    def num_clbits(self) -> int:
        """How many classical bits."""
        ...

    @property
    def operations(self) -> Sequence[Step]:
        """In textual order."""
        ...


def from_qiskit(
    circuit: QuantumCircuit,
    *,
    observables: Parities | None = None,
    detectors: Wanted = "auto",
) -> stim.Circuit:
    """The circuit in stim's form, with detectors and observables.

    Clifford gates (rotations by multiples of π/2 too), measure, reset, barrier (a TICK) and
    `if_test` on one bit with a body of X, Y and Z. A delay says nothing here.

    Args:
        observables: each a list of classical bits, `Clbit` or index, that it is the parity of, as
            they stand at the end; None: those of `circuit.metadata["observables"]`.
        detectors: "auto" finds them; "declared" takes `circuit.metadata["detectors"]`; lists are
            read as observables are; None: none.

    Raises:
        BridgeError: CHIM795 for any other gate, by its name; for a condition on a register; for
            parities of bits that are not there, not measured, or not fixed by the circuit.
    """
    from chimera_pipelines.qec.bridge_qiskit import steps_of

    metadata = circuit.metadata or {}
    writer = StimWriter(circuit.num_qubits)
    writer.write(steps_of(circuit))
    wanted = metadata.get("detectors", []) if detectors == "declared" else detectors
    if observables is None:
        observables = metadata.get("observables", [])
    index = {bit: n for n, bit in enumerate(circuit.clbits)}
    places = metadata.get("coordinates") if detectors == "declared" else None
    return _declared(writer, observables, wanted, index, places)


def from_record(
    record: Recorded, *, observables: Parities = (), detectors: Wanted = "auto"
) -> stim.Circuit:
    """The same of a circuit record, in which bits are named by index.

    Raises:
        BridgeError: as `from_qiskit`.
    """
    writer = StimWriter(record.num_qubits)
    writer.write(record.operations)
    wanted = () if detectors == "declared" else detectors
    return _declared(writer, observables, wanted, {}, None)


def to_qiskit(circuit: stim.Circuit) -> QuantumCircuit:
    """The circuit in Qiskit's form, one classical bit a measurement, without noise.

    Its metadata hold the detectors, their coordinates and the observables as lists of bit indices,
    where `from_qiskit(..., detectors="declared")` finds them.

    Raises:
        BridgeError: CHIM795 for noise and other instructions that Qiskit has no gate for.
    """
    from chimera_pipelines.qec.bridge_qiskit import written

    return written(circuit)


def _declared(
    writer: StimWriter,
    observables: Parities,
    detectors: Wanted,
    index: dict[Any, int],
    places: Sequence[Sequence[float]] | None,
) -> stim.Circuit:
    out, count = writer.out, writer.out.num_measurements

    def targets(what: str, bits: Iterable[Any]) -> list[stim.GateTarget]:
        found = []
        for bit in bits:
            record = writer.record.get(index.get(bit, bit))
            if record is None:
                raise BridgeError(
                    "CHIM795",
                    f"{what} names the classical bit {bit!r}, which no measurement writes",
                    hint="name bits of the circuit or their indices",
                )
            found.append(stim.target_rec(record - count))
        return found

    for number, bits in enumerate(observables):
        out.append("OBSERVABLE_INCLUDE", targets(f"observable {number}", bits), number)
    if detectors == "auto":
        out = annotate(out)
    else:
        for number, bits in enumerate(detectors or ()):
            place = places[number] if places else []
            out.append("DETECTOR", targets(f"detector {number}", bits), place)
    _check_fixed(out)
    return out


def _check_fixed(circuit: stim.Circuit) -> None:
    """Refuses parities that come out at random without any noise."""
    try:
        circuit.detector_error_model()
    except ValueError as error:
        names = re.findall(r"^ {4}([DL]\d+)$", str(error), re.MULTILINE)
        raise BridgeError(
            "CHIM795",
            f"without noise the circuit leaves {', '.join(names)} to chance",
            hint="observables (L) and detectors (D) are parities that are certain without noise",
        ) from error
