from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chimera_pipelines.quantum.operations import RecordError
from chimera_pipelines.quantum.record import CircuitRecord, circuits_from_json, from_json
from tests.quantum.circuits import dynamic_records, unitary_records


@settings(max_examples=60, deadline=None)
@given(st.one_of(unitary_records(), dynamic_records()))
def test_a_record_survives_json_text(record):
    again = from_json(json.loads(json.dumps(record.as_json())))
    assert again == record
    assert again.digest == record.digest


def _json(**changes):
    base = {
        "format": "chimera.circuit/1",
        "qubits": 2,
        "qregs": [{"name": "q", "bits": [0, 1]}],
        "clbits": 1,
        "cregs": [{"name": "c", "bits": [0]}],
        "global_phase": 0.0,
        "operations": [],
    }
    return base | changes


def test_registers_of_a_key_begin_with_the_last():
    record = from_json(
        _json(clbits=3, cregs=[{"name": "a", "bits": [0, 1]}, {"name": "b", "bits": [2]}])
    )
    assert record.registers == ("b", "a")


_RX = {"op": "rx", "qubits": [0], "params": [0.1]}
_IF = {"op": "if", "condition": {"bit": 0, "value": 1}, "body": [], "orelse": []}
BAD_STEPS = {
    "unknown gate": {"op": "multiplexer", "qubits": [0, 1]},
    "too few qubits": {"op": "cx", "qubits": [0]},
    "too many angles": _RX | {"params": [0.1, 0.2]},
    "no angle": {"op": "rx", "qubits": [0]},
    "qubit out of range": {"op": "h", "qubits": [2]},
    "negative qubit": {"op": "h", "qubits": [-1]},
    "one qubit twice": {"op": "cx", "qubits": [1, 1]},
    "true as a qubit": {"op": "h", "qubits": [True]},
    "text as a qubit": {"op": "h", "qubits": ["0"]},
    "text as an angle": _RX | {"params": ["0.1"]},
    "true as an angle": _RX | {"params": [True]},
    "infinite angle": _RX | {"params": [float("inf")]},
    "angle that is no number": _RX | {"params": [float("nan")]},
    "huge integer angle": _RX | {"params": [10**400]},
    "measurement without a bit": {"op": "measure", "qubits": [0]},
    "measurement into no bit": {"op": "measure", "qubits": [0], "clbits": [1]},
    "gate with a classical bit": {"op": "h", "qubits": [0], "clbits": [0]},
    "gate with a condition": {"op": "h", "qubits": [0], "condition": {"bit": 0, "value": 1}},
    "matrix not unitary": {"op": "unitary", "qubits": [0], "entries": [1, 0, 1, 0, 0, 0, 1, 0]},
    "matrix too small": {"op": "unitary", "qubits": [0, 1], "entries": [1, 0, 0, 0, 0, 0, 1, 0]},
    "matrix of no qubits": {"op": "unitary", "qubits": [], "entries": [1, 0]},
    "matrix that overflows": {
        "op": "unitary",
        "qubits": [0],
        "entries": [1e308, 0, 1e308, 0, 1e308, 0, 1e308, 0],
    },
    "odd entries": {"op": "unitary", "qubits": [0], "entries": [1, 0, 0]},
    "amplitudes not of norm 1": {
        "op": "state_preparation",
        "qubits": [0],
        "entries": [1, 0, 0.001, 0],
    },
    "entries on a plain gate": {"op": "h", "qubits": [0], "entries": [1, 0]},
    "multi-controlled x of one qubit": {"op": "mcx", "qubits": [0]},
    "unknown key": {"op": "h", "qubits": [0], "definition": "x"},
    "no op": {"qubits": [0]},
    "no object": ["h", 0],
    "if without orelse": {k: v for k, v in _IF.items() if k != "orelse"},
    "if on a bit that is not there": _IF | {"condition": {"bit": 1, "value": 1}},
    "if on a register that is not there": _IF | {"condition": {"register": "d", "value": 1}},
    "if with a value too large": _IF | {"condition": {"register": "c", "value": 2}},
    "if with a negative value": _IF | {"condition": {"bit": 0, "value": -1}},
    "if with true": _IF | {"condition": {"bit": 0, "value": True}},
    "if with further keys": _IF | {"condition": {"bit": 0, "value": 1, "register": "c"}},
    "bad gate in a body": _IF | {"body": [{"op": "kraus", "qubits": [0]}]},
}


@pytest.mark.parametrize("step", BAD_STEPS.values(), ids=BAD_STEPS.keys())
def test_bad_operations_are_refused(step):
    with pytest.raises(RecordError) as caught:
        from_json(_json(operations=[step]))
    assert caught.value.code in {"MAML319", "MAML904"}


BAD_RECORDS = {
    "not an object": [],
    "another format": _json(format="chimera.circuit/2"),
    "missing key": {k: v for k, v in _json().items() if k != "cregs"},
    "further key": _json(extra=1),
    "no qubits": _json(qubits=0, qregs=[]),
    "true qubits": _json(qubits=True),
    "too many qubits": _json(qubits=5000, qregs=[{"name": "q", "bits": list(range(5000))}]),
    "register leaves out a bit": _json(qregs=[{"name": "q", "bits": [0]}]),
    "register names a bit twice": _json(qregs=[{"name": "q", "bits": [0, 1, 1]}]),
    "two registers of one name": _json(
        qregs=[{"name": "q", "bits": [0]}, {"name": "q", "bits": [1]}]
    ),
    "one name for both kinds": _json(cregs=[{"name": "q", "bits": [0]}]),
    "register without a name": _json(cregs=[{"name": "", "bits": [0]}]),
    "empty register": _json(cregs=[{"name": "c", "bits": [0]}, {"name": "d", "bits": []}]),
    "phase that is no number": _json(global_phase=float("nan")),
    "operations no list": _json(operations={}),
    "too many operations": _json(operations=[{"op": "h", "qubits": [0]}] * 200_001),
}


@pytest.mark.parametrize("value", BAD_RECORDS.values(), ids=BAD_RECORDS.keys())
def test_bad_records_are_refused(value):
    with pytest.raises(RecordError) as caught:
        from_json(value)
    assert caught.value.code in {"MAML319", "MAML904"}


def test_deep_nesting_is_refused_before_the_stack_ends():
    step: dict = {"op": "h", "qubits": [0]}
    for _ in range(40):
        step = _IF | {"body": [step]}
    with pytest.raises(RecordError, match="nested"):
        from_json(_json(operations=[step]))


def test_what_is_no_list_of_circuits_is_refused():
    with pytest.raises(RecordError) as caught:
        circuits_from_json({"circuits": "x"})
    assert caught.value.code == "MAML904"
    with pytest.raises(RecordError) as caught:
        circuits_from_json({"circuits": [], "list": True})
    assert caught.value.code == "MAML412"


def test_reading_records_needs_no_qiskit():
    import subprocess
    import sys

    code = (
        "import sys, chimera_pipelines.quantum.record, chimera_pipelines.quantum.embedding, "
        "chimera_pipelines.quantum.observables, chimera_pipelines.heads.local\n"
        "print([m for m in ('qiskit', 'numpy', 'torch', 'qiskit_aer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_class_reads_what_the_function_reads():
    assert CircuitRecord.from_json(_json()) == from_json(_json())
