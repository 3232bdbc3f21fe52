"""Programs of the Aer engine: transpiled structures, bound late and run.

Arrays: states are complex64 or complex128 of shape (2^n,), bit q of an index being qubit q.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import CircuitInstruction, IfElseOp, Parameter, ParameterExpression
from qiskit.circuit.library import StatePreparation, UnitaryGate
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import PassManager, Target, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.library import SetDensityMatrix, SetStatevector

from chimera_pipelines.errors import KernelError
from chimera_pipelines.phase import Phase
from chimera_pipelines.quantum.form import Factor, Form
from chimera_pipelines.quantum.observables import Basis, Observable
from chimera_pipelines.quantum.sampling import State

_COMMON = (
    *("id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "rx", "ry", "rz", "p", "u"),
    *("r", "cx", "cy", "cz", "swap", "ecr", "cp", "rxx", "ryy", "rzz", "rzx", "ccx"),
)
_CONTROLLED = ("crx", "cry", "crz", "csx", "cu", "cswap", "ccz")
_FLOW = ["measure", "reset", "if_else", "unitary"]
BASIS: Mapping[str, tuple[str, ...]] = {
    "statevector": (*_COMMON, *_CONTROLLED, *_FLOW),
    "density_matrix": (*_COMMON, *_FLOW),
    "matrix_product_state": (*_COMMON, "csx", "cswap", *_FLOW),
    "tensor_network": (*_COMMON, *_CONTROLLED, *_FLOW),
}


@cache
def pass_manager(method: str) -> PassManager:
    """The pass manager of a method, built once: explicit basis, level 1, all-to-all coupling."""
    target = Target.from_configuration(
        basis_gates=list(BASIS[method]),
        custom_name_mapping={"unitary": UnitaryGate, "if_else": IfElseOp},
    )
    return generate_preset_pass_manager(1, target=target, qubits_initially_zero=False)


@dataclass(frozen=True, slots=True, eq=False)
class AerProgram:
    """A transpiled structure on a simulator.

    Attributes:
        structure: digest of what was compiled.
        method: Aer's name of the method.
        circuit: in the method's basis; angles are `parameters`, in order.
        simulator: of the method and precision, with truncation off.
        precision: "single" or "double".
        batches: whether Aer's `parameter_binds` sees every parameter of the circuit.
    """

    structure: str
    method: str
    circuit: QuantumCircuit
    parameters: tuple[Parameter, ...]
    simulator: AerSimulator
    precision: str
    batches: bool = False

    def bind(self, form: Form) -> QuantumCircuit:
        """The circuit with a form's angles, started from its factors."""
        values = dict(zip(self.parameters, form.angles, strict=True)) if self.parameters else {}
        bound = self.circuit.assign_parameters(values, strict=False)
        for step in reversed(self.start(form.factors, float(bound.global_phase))):
            bound.data.insert(0, step)
        return bound

    def start(self, factors: Sequence[Factor], phase: float = 0.0) -> list[CircuitInstruction]:
        """Instructions that set the product state a circuit starts from.

        Args:
            factors: of the product state.
            phase: of the circuit, in radians: Aer applies it to |0…0⟩, so setting a state loses it.

        Raises:
            KernelError: MAML319 for the stabilizer method, which holds no amplitudes.
        """
        if not factors:
            return []
        qubits = self.circuit.qubits
        if self.method == "stabilizer":
            raise KernelError(
                "MAML319",
                "'stabilizer' cannot start from a vector of amplitudes",
                phase=Phase.PROPAGATE,
                hint="use backend {method: automatic}",
            )
        if self.method == "matrix_product_state":
            return self._prepared(factors)
        vector = product_state(factors, len(qubits)) * np.exp(1j * phase)
        if self.method == "density_matrix":
            return [CircuitInstruction(SetDensityMatrix(np.outer(vector, vector.conj())), qubits)]
        return [CircuitInstruction(SetStatevector(vector), qubits)]

    def _prepared(self, factors: Sequence[Factor]) -> list[CircuitInstruction]:
        """Gates that prepare the factors, since Aer's `initialize` of several qubits is wrong here.

        On matrix product states it leaves another state than the one it was given, silently.
        """
        front = QuantumCircuit(self.circuit.num_qubits)
        for factor in factors:
            amplitudes = np.array(factor.amplitudes)
            state = StatePreparation(amplitudes / np.linalg.norm(amplitudes))
            front.append(state, list(factor.qubits))
        gates = pass_manager(self.method).run(front)
        place = {qubit: self.circuit.qubits[at] for at, qubit in enumerate(gates.qubits)}
        return [
            CircuitInstruction(step.operation, [place[qubit] for qubit in step.qubits])
            for step in gates.data
        ]

    def evolve(self, forms: Sequence[Form]) -> list[State]:
        """The state vector of each form, in one call of Aer."""
        if len(forms) > 1 and self.batches and not any(form.factors for form in forms):
            circuit = self.circuit.copy()
            circuit.save_statevector(pershot=False)
            columns = zip(*(form.angles for form in forms), strict=True)
            present = set(self.circuit.parameters)  # the pass manager may have dropped some
            pairs = zip(self.parameters, columns, strict=True)
            binds = {p: list(c) for p, c in pairs if p in present}
            result = self.execute(circuit, parameter_binds=[binds])
        else:
            circuits = [self.bind(form) for form in forms]
            for circuit in circuits:
                circuit.save_statevector(pershot=False)
            result = self.execute(circuits)
        # Qiskit hands out double precision whatever was simulated; the bank keeps what it counted.
        kept = np.complex64 if self.precision == "single" else np.complex128
        return [
            _with_phase(
                np.asarray(result.data(i)["statevector"]).astype(kept, copy=False),
                form.body.global_phase,
            )
            for i, form in enumerate(forms)
        ]

    def counts(self, circuit: QuantumCircuit, shots: int, seed: int) -> dict[int, int]:
        """Counts over classical bits, bit b of an outcome being classical bit b."""
        result = self.execute(circuit, shots=shots, seed_simulator=seed)
        return {int(key, 16): int(n) for key, n in result.data(0)["counts"].items()}

    def measured(self, form: Form) -> QuantumCircuit:
        """The bound circuit with its final measurements; bits are those of the record."""
        bound = self.bind(form)
        if form.final is not None:
            bound.add_register(ClassicalRegister(form.source.num_clbits, "outcome"))
            for bit, qubit in form.final.items():
                bound.measure(qubit, bit)
        return bound

    def turned(self, form: Form, basis: Basis) -> QuantumCircuit:
        """The bound circuit, turned to a basis, every qubit measured into the highest bits."""
        bound = self.bind(form)
        for qubit in basis.from_y:
            bound.sdg(qubit)
        for qubit in (*basis.from_x, *basis.from_y):
            bound.h(qubit)
        register = ClassicalRegister(bound.num_qubits, "basis")
        bound.add_register(register)
        bound.measure(bound.qubits, register)
        return bound

    def expectation(self, form: Form, observable: Observable) -> float:
        """The exact expectation value, saved over all qubits."""
        bound = self.bind(form)
        operator = SparsePauliOp.from_list(list(observable.strings))
        bound.save_expectation_value(operator, bound.qubits, label="expectation")
        return float(np.real(self.execute(bound).data(0)["expectation"]))

    def probabilities(self, form: Form) -> dict[int, float]:
        """Exact probabilities over the record's classical bits."""
        final = form.final or {}
        qubits = sorted(set(final.values()))
        place = {qubit: position for position, qubit in enumerate(qubits)}
        bound = self.bind(form)
        bound.save_probabilities_dict(qubits, label="probabilities")
        chances = self.execute(bound).data(0)["probabilities"]
        return {
            sum(1 << bit for bit, qubit in final.items() if _index(key) >> place[qubit] & 1): float(
                p
            )
            for key, p in chances.items()
        }

    def execute(self, circuits: QuantumCircuit | list[QuantumCircuit], **options: Any) -> Any:
        """Aer's result.

        Raises:
            KernelError: MAML413 when Aer lacks memory, CHIM702 for any other failure of it.
        """
        result = self.simulator.run(circuits, **options).result()
        if not result.success:
            failed = [str(r.status) for r in result.results if not r.success]
            status = "; ".join(failed or [str(result.status)])
            code = "MAML413" if "memory" in status.lower() else "CHIM702"
            raise KernelError(code, f"aer refused: {status[:300]}", phase=Phase.PROPAGATE)
        return result


def sees_parameters(circuit: QuantumCircuit) -> bool:
    """Whether `parameter_binds` of Aer binds every parameter of a circuit.

    Aer asks `is_parameterized`, which controlled rotations answer with no (qiskit 2.6.2): it then
    simulates them with an angle of 0, or returns fewer results than rows, and calls it a success.
    """
    return bool(circuit.parameters) and all(
        item.operation.is_parameterized()
        for item in circuit.data
        if any(isinstance(value, ParameterExpression) for value in item.operation.params)
    )


def product_state(factors: Sequence[Factor], num_qubits: int) -> State:
    """The normalised state of disjoint factors, all other qubits in |0>."""
    small: State = np.ones(1, dtype=np.complex128)
    where: list[int] = []
    for factor in factors:
        amplitudes = np.array(factor.amplitudes, dtype=np.complex128)
        small = np.kron(amplitudes / np.linalg.norm(amplitudes), small)
        where += factor.qubits
    full: State = np.zeros(1 << num_qubits, dtype=np.complex128)
    index = np.arange(small.size)
    spread = np.zeros_like(index)
    for position, qubit in enumerate(where):
        spread |= (index >> position & 1) << qubit
    full[spread] = small
    return full


def _with_phase(state: State, angle: float) -> State:
    if angle == 0.0:
        return state
    turn = complex(math.cos(angle), math.sin(angle))
    return state * np.array(turn, dtype=state.dtype)


def _index(key: object) -> int:
    return int(key, 16) if isinstance(key, str) else int(str(key))
