"""OpenQASM 3 text → circuit record, with `input` values bound. Runs inside the sandbox.

The importer is Qiskit's (qiskit-qasm3-import). Lone bits lose their names there, so the names are
read from the syntax tree: a result's `registers` must say what the program says.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Mapping
from typing import Any

import openqasm3
import qiskit_qasm3_import
from openqasm3 import ast
from openqasm3.parser import QASM3ParsingError
from qiskit import QuantumCircuit
from qiskit_qasm3_import import ConversionError

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.quantum.operations import RecordError
from chimera_pipelines.quantum.write import write_record

_PLACE = re.compile(r"^(?:L)?(\d+)[,:](?:C)?(\d+):?\s*(.*)$", re.DOTALL)


def parse_qasm(source: str, inputs: Mapping[str, Any]) -> JSONValue:
    """The program as `{"circuits": [record], "list": false, "registers": […]}`.

    `registers` are the names of the classical registers in the order of a key.

    Args:
        source: an OpenQASM 3 program; `include "stdgates.inc"` alone is known.
        inputs: values of `input float` and `input angle` declarations, by name; others are
            ignored.

    Raises:
        RecordError: MAML314 where the text is no OpenQASM 3 or uses what the importer does not
            know (the message begins with the line in the text), MAML408 for an input without a
            value, MAML319 as `write.write_record`.
    """
    tree = _parse(source)
    circuit = _convert(tree)
    bound = circuit.assign_parameters(
        {parameter: _value(parameter.name, inputs) for parameter in circuit.parameters}
    )
    record = write_record(bound, _lone_bits(tree))
    return {
        "circuits": [record.as_json()],
        "list": False,
        "registers": list(record.registers),
    }


def _parse(source: str) -> ast.Program:
    console = io.StringIO()
    try:
        with contextlib.redirect_stdout(console), contextlib.redirect_stderr(console):
            return openqasm3.parse(source)
    except QASM3ParsingError as error:
        raise _no_program(str(error) or _token(error.__cause__)) from error


def _token(cause: BaseException | None) -> str:
    """Where the parser gave up, from the recognition error that it wraps."""
    inner = cause.args[0] if cause is not None and cause.args else cause
    token = getattr(inner, "offendingToken", None)
    if token is None:
        return "syntax error"
    return f"{token.line},{token.column}: unexpected {token.text!r}"


def _convert(tree: ast.Program) -> QuantumCircuit:
    try:
        return qiskit_qasm3_import.convert(tree)
    except ConversionError as error:
        raise _no_program(str(error.message)) from error


def _value(name: str, inputs: Mapping[str, Any]) -> float:
    if name not in inputs:
        raise RecordError(
            "MAML408", f"input {name!r} is not supplied", hint="add it to the kernel's inputs"
        )
    value = inputs[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecordError("MAML505", f"input {name!r} is {value!r:.80}, not a number")
    return float(value)


def _lone_bits(tree: ast.Program) -> list[str]:
    return [
        statement.identifier.name
        for statement in tree.statements
        if isinstance(statement, ast.ClassicalDeclaration)
        and isinstance(statement.type, ast.BitType)
        and statement.type.size is None
    ]


def _no_program(message: str) -> RecordError:
    text = message.strip().splitlines()[0] if message.strip() else "syntax error"
    found = _PLACE.match(text)
    placed = f"line {found.group(1)}: {found.group(3)}" if found else text
    return RecordError("MAML314", placed, hint="the program is OpenQASM 3 with stdgates.inc")
