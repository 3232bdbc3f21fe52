"""Detectors of a circuit that declares none, found from what it does.

1. Every reset, and the state before the circuit, becomes a random preparation that is recorded, so
   a parity that leans on a known state has that state's record in it.
2. `stim.Circuit.missing_detectors` gives a basis of all parities of records that are fixed.
3. A basis over GF(2) in which all first records and all last records differ is as local in time as
   can be; that is the one a memory experiment's author writes down.
4. Declared observables are fixed parities too: each takes the longest row of its sum with it.
5. Preparations' records are dropped, for a reset leaves a known 0.

Pauli feedback is taken out first: a feedback on record r that flips record m means that m without
feedback is m with feedback plus r. Such sums turn what is found back into parities of the circuit's
own records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import stim

Records = tuple[int, ...]
_NOTES = {"DETECTOR", "OBSERVABLE_INCLUDE", "QUBIT_COORDS", "SHIFT_COORDS", "TICK"}
_RANDOM = {"R": ("RX", "M"), "RX": ("R", "MX"), "RY": ("R", "MY")}
"""A reset, and the preparation of a random state of its basis with the measurement of which."""
_SPLIT = {"MR": ("M", "R"), "MRX": ("MX", "RX"), "MRY": ("MY", "RY")}


def find_detectors(circuit: stim.Circuit) -> list[Records]:
    """Detectors that the circuit has, whether it declares them or not, as measurement indices.

    Args:
        circuit: noise is left out of account, declared detectors too; declared observables are
            not found again as detectors.

    Returns:
        One sorted tuple a detector, in the order of their last records.
    """
    return _found(_Read.of(circuit))


def annotate(circuit: stim.Circuit) -> stim.Circuit:
    """The circuit with found detectors in place of its own, each with its layer as coordinate."""
    bare = stim.Circuit()
    for one in circuit.flattened():
        if one.name not in {"DETECTOR", "SHIFT_COORDS"}:
            bare.append(one)
    placed, count = layers(bare), bare.num_measurements
    for records in find_detectors(bare):
        targets = [stim.target_rec(record - count) for record in records]
        bare.append("DETECTOR", targets, [placed[records[-1]]])
    return bare


def layers(circuit: stim.Circuit) -> list[int]:
    """For each measurement the layer in which it is made.

    A layer begins with the first measurement behind a gate on two qubits, and with the first of a
    qubit that the layer has measured already.
    """
    found, measured, layer, entangled = list[int](), set[int](), 0, False
    for one in circuit.flattened():
        if one.num_measurements:
            for group in one.target_groups():
                qubits = {target.value for target in group if not target.is_combiner}
                if (entangled and measured) or qubits & measured:
                    layer, measured = layer + 1, set()
                entangled = False
                measured |= qubits
                found.append(layer)
        elif one.name not in _NOTES and stim.gate_data(one.name).is_two_qubit_gate:
            entangled = entangled or any(
                all(target.is_qubit_target for target in group) for group in one.target_groups()
            )
    return found


@dataclass(slots=True)
class _Read:
    """A circuit taken apart.

    Attributes:
        clean: without notes, noise and feedback, with random recorded preparations.
        kept: for each record of `clean` its measurement in the circuit, -1 for a preparation.
        feedback: (controlling record, Pauli, qubit, steps of `plain` before it).
        plain: the same without preparations: what the feedback's Paulis travel through.
        observables: measurements of each declared observable.
        count: measurements so far.
    """

    clean: stim.Circuit = field(default_factory=stim.Circuit)
    kept: list[int] = field(default_factory=list)
    feedback: list[tuple[int, str, int, int]] = field(default_factory=list)
    plain: list[stim.CircuitInstruction] = field(default_factory=list)
    observables: dict[int, set[int]] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def of(cls, circuit: stim.Circuit) -> _Read:
        read = cls()
        read.prepare("R", range(circuit.num_qubits))
        for one in circuit.without_noise().flattened():
            read.add(one)
        return read

    def add(self, one: stim.CircuitInstruction) -> None:
        targets = one.targets_copy()
        if one.name == "OBSERVABLE_INCLUDE":
            records = {self.count + t.value for t in targets if t.is_measurement_record_target}
            number = int(one.gate_args_copy()[0])
            self.observables[number] = self.observables.get(number, set()) ^ records
        elif one.name in _NOTES:
            return
        elif one.name in _SPLIT:
            measure, reset = _SPLIT[one.name]
            for target in targets:  # a qubit named twice is measured again after its reset
                self.measure(stim.CircuitInstruction(measure, [target]))
                self.reset(reset, [target.value])
        elif one.name in _RANDOM:
            self.reset(one.name, [target.value for target in targets])
        elif any(target.is_measurement_record_target for target in targets):
            self.controlled(one)
        elif one.num_measurements:
            self.measure(one)
        else:
            self.clean.append(one)
            self.plain.append(one)

    def measure(self, one: stim.CircuitInstruction) -> None:
        self.clean.append(one)
        self.plain.append(one)
        self.kept += range(self.count, self.count + one.num_measurements)
        self.count += one.num_measurements

    def reset(self, name: str, qubits: list[int]) -> None:
        self.plain.append(stim.CircuitInstruction(name, qubits))
        self.prepare(name, qubits)

    def prepare(self, name: str, qubits: Iterable[int]) -> None:
        for qubit in qubits:
            for step in _RANDOM[name]:
                self.clean.append(step, [qubit])
            self.kept.append(-1)

    def controlled(self, one: stim.CircuitInstruction) -> None:
        """Splits CX, CY, CZ (and XCZ, YCZ) into feedback and gates."""
        for group in one.target_groups():
            records = [t for t in group if t.is_measurement_record_target]
            qubits = [t for t in group if t.is_qubit_target]
            if len(records) == len(qubits) == 1:
                pauli = one.name.replace("C", "", 1).replace("C", "")[0]
                pauli = pauli if one.name[0] == "C" else one.name[0]
                record = self.count + records[0].value
                self.feedback.append((record, pauli, qubits[0].value, len(self.plain)))
            elif not records:
                self.add(stim.CircuitInstruction(one.name, list(group)))


def _found(read: _Read) -> list[Records]:
    rows = list[int]()
    total = len(read.kept)
    for one in read.clean.missing_detectors(unknown_input=True):
        if one.name == "DETECTOR":
            rows.append(_mask(total + target.value for target in one.targets_copy()))
    basis = minimal_span(rows)
    place = {record: n for n, record in enumerate(read.kept) if record >= 0}
    undo = _feedback_sums(read)
    declared = [
        _mask(place[record] for record in _without_feedback(records, undo))
        for _, records in sorted(read.observables.items())
    ]
    real = _mask(place.values())
    found = list[Records]()
    for row in _quotient(basis, declared, real):
        records = set[int]()
        for position in _bits(row & real):
            record = read.kept[position]
            records ^= {record} ^ undo.get(record, set())
        if records:
            found.append(tuple(sorted(records)))
    return sorted(found, key=lambda records: (records[-1], records))


def minimal_span(rows: Iterable[int]) -> list[int]:
    """A basis of the rows' span (bit masks) in which no two rows begin or end at the same bit."""
    ends = dict[int, int]()
    for one in rows:
        row = one
        while row:
            last = row.bit_length()
            if last not in ends:
                ends[last] = row
                break
            row ^= ends[last]
    starts, work = dict[int, int](), [ends[last] for last in sorted(ends)]
    while work:
        row = work.pop()
        first = row & -row
        other = starts.setdefault(first, row)
        if other == row:
            continue
        if row.bit_length() < other.bit_length():  # the row that ends later takes the sum
            starts[first], row, other = row, other, row
        work.append(row ^ other)
    return sorted(starts.values(), key=int.bit_length)


def _quotient(basis: list[int], declared: Sequence[int], real: int) -> list[int]:
    """The basis without the directions of declared observables: the longest row of each goes."""
    left, gone = list(basis), list[int]()
    for observable in declared:
        pivots = dict[int, tuple[int, int]]()
        for number, row in enumerate([*left, *gone]):
            value, of = row & real, 1 << number
            while value:
                last = value.bit_length()
                if last not in pivots:
                    pivots[last] = value, of
                    break
                value, of = value ^ pivots[last][0], of ^ pivots[last][1]
        value, of = observable, 0
        while value and value.bit_length() in pivots:
            step = pivots[value.bit_length()]
            value, of = value ^ step[0], of ^ step[1]
        used = [n for n in range(len(left)) if of >> n & 1]
        if not value and used:
            left.pop(max(used, key=lambda n: _span(left[n])))
            gone.append(observable)
    return left


def _feedback_sums(read: _Read) -> dict[int, set[int]]:
    """For each measurement that feedback flips, the records that control those flips."""
    if not read.feedback:
        return {}
    qubits = max(
        [qubit for _, _, qubit, _ in read.feedback]
        + [t.value for one in read.plain for t in one.targets_copy() if t.is_qubit_target]
    )
    simulator = stim.FlipSimulator(
        batch_size=len(read.feedback), num_qubits=qubits + 1, disable_stabilizer_randomization=True
    )
    waiting = list(enumerate(read.feedback))
    for number in range(len(read.plain) + 1):
        while waiting and waiting[0][1][3] == number:
            instance, (_, pauli, qubit, _) = waiting.pop(0)
            simulator.set_pauli_flip(pauli, qubit_index=qubit, instance_index=instance)
        if number < len(read.plain):
            simulator.do(read.plain[number])
    flips = np.asarray(simulator.get_measurement_flips())
    sums = dict[int, set[int]]()
    for measurement, instance in zip(*np.nonzero(flips), strict=True):
        control = read.feedback[int(instance)][0]
        sums[int(measurement)] = sums.get(int(measurement), set()) ^ {control}
    return sums


def _without_feedback(records: Iterable[int], undo: dict[int, set[int]]) -> set[int]:
    """Measurements without feedback whose sum is that of these with it."""
    left, out = set(records), set[int]()
    while left:  # with feedback = without + controls with feedback, which are all earlier
        record = max(left)
        left ^= {record} ^ undo.get(record, set())
        out ^= {record}
    return out


def _span(row: int) -> int:
    return row.bit_length() - (row & -row).bit_length()


def _mask(positions: Iterable[int]) -> int:
    mask = 0
    for position in positions:
        mask ^= 1 << position
    return mask


def _bits(row: int) -> list[int]:
    return [n for n in range(row.bit_length()) if row >> n & 1]
