"""Noise in Aer's density matrices: where channels go, and what readout flips do to results.

Strategy: noise belongs to gates as they are written, whatever a transpiler merges or splits. So a
labelled barrier follows each gate through the pass manager, which keeps gates on either side apart,
and becomes the channel afterwards. Readout flips of counts are Aer's; those of exact results are
computed here: probabilities by a flip of each bit, a Pauli string of w letters by (1 − 2p)^w.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ControlFlowOp, Instruction
from qiskit.circuit.library import Barrier
from qiskit.quantum_info import SuperOp
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from chimera_pipelines.quantum.engines.choice import refuse
from chimera_pipelines.quantum.engines.noise import Noise
from chimera_pipelines.quantum.form import Form
from chimera_pipelines.quantum.gates import BARRIER, IF, MEASURE, RESET
from chimera_pipelines.quantum.observables import Observable

_MARK = "chimera-noise"
_NOISY_QUBITS = 2
_WITHOUT = frozenset({BARRIER, IF, MEASURE, RESET})


def check_noisy(form: Form) -> None:
    """See that the noise of every gate is defined.

    Raises:
        KernelError: MAML319 for a gate of more than two qubits.
    """
    for step in form.body.walk():
        if len(step.qubits) > _NOISY_QUBITS and step.name not in _WITHOUT:
            raise refuse(
                f"noise after {step.name!r} on {len(step.qubits)} qubits",
                "write the circuit in gates of one and two qubits; noise is given for those",
            )


def marked(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit with a labelled barrier behind every gate, in branches too."""
    out = circuit.copy_empty_like()
    for item in circuit.data:
        if isinstance(item.operation, ControlFlowOp):
            blocks = [marked(block) for block in item.operation.blocks]
            out.append(item.replace(operation=item.operation.replace_blocks(blocks)))
            continue
        out.append(item)
        if item.operation.name not in _WITHOUT:
            mark = Barrier(len(item.qubits), label=_MARK)
            out.append(CircuitInstruction(mark, item.qubits))
    return out


def with_channels(circuit: QuantumCircuit, noise: Noise) -> QuantumCircuit:
    """A transpiled circuit with the channel of each gate in the place of its mark."""
    out = circuit.copy_empty_like()
    for item in circuit.data:
        if isinstance(item.operation, ControlFlowOp):
            blocks = [with_channels(block, noise) for block in item.operation.blocks]
            out.append(item.replace(operation=item.operation.replace_blocks(blocks)))
        elif item.operation.name == BARRIER and item.operation.label == _MARK:
            chance = noise.after(len(item.qubits))
            if chance:
                channel = _depolarizing(chance, len(item.qubits))
                out.append(CircuitInstruction(channel, item.qubits))
        else:
            out.append(item)
    return out


@lru_cache(maxsize=256)
def _depolarizing(chance: float, qubits: int) -> Instruction:
    made: Instruction = SuperOp(depolarizing_error(chance, qubits)).to_instruction()
    return made


def readout_model(chance: float) -> Any:
    """Aer's model of measurements that are read flipped."""
    model = NoiseModel()
    flips = [[1.0 - chance, chance], [chance, 1.0 - chance]]
    model.add_all_qubit_readout_error(ReadoutError(flips))
    return model


def misread(
    chances: Mapping[int, float], measured: Mapping[int, int], noise: Noise | None
) -> dict[int, float]:
    """Probabilities over classical bits with each measured bit flipped on its own."""
    if noise is None or not noise.readout:
        return dict(chances)
    bits = sorted(measured)
    index = [sum((key >> bit & 1) << at for at, bit in enumerate(bits)) for key in chances]
    spread = np.zeros(1 << len(bits))
    spread[index] = list(chances.values())
    for at in range(len(bits)):
        pairs = spread.reshape(-1, 2, 1 << at)
        spread = ((1.0 - noise.readout) * pairs + noise.readout * pairs[:, ::-1]).reshape(-1)
    return {
        sum((int(i) >> at & 1) << bit for at, bit in enumerate(bits)): float(spread[i])
        for i in np.flatnonzero(spread)
    }


def faded(observable: Observable, noise: Noise | None) -> Observable:
    """The observable whose exact value is what measuring with flipped readout tends to."""
    if noise is None or not noise.readout:
        return observable
    kept = 1.0 - 2.0 * noise.readout
    return Observable(
        observable.num_qubits,
        tuple((s, c * kept ** sum(p != "I" for p in s)) for s, c in observable.strings),
    )
