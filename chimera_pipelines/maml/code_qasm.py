"""OpenQASM 3 blocks: parse and look names up, without qiskit (MAML.md §4).

The reference parser of the `openqasm3` package gives the tree; here it is checked that gates exist,
take so many angles and qubits, and act on declared qubits. What else a program may not contain is
found when it becomes a circuit record, in the sandbox.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from chimera_pipelines.maml.code_records import UNPARSED, CodeFacts, Parameter, no_entry, unreadable
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.document import Block

if TYPE_CHECKING:
    from openqasm3 import ast

# Angles and qubits of each gate. OpenQASM 3 itself knows U and gphase; the rest is stdgates.inc.
_LANGUAGE: Final = {"U": (3, 1)}
_STANDARD: Final = {
    **dict.fromkeys(("x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "id"), (0, 1)),
    **dict.fromkeys(("p", "rx", "ry", "rz", "phase", "u1"), (1, 1)),
    **dict.fromkeys(("cx", "cy", "cz", "ch", "swap", "CX"), (0, 2)),
    **dict.fromkeys(("cp", "crx", "cry", "crz", "cphase"), (1, 2)),
    **dict.fromkeys(("ccx", "cswap"), (0, 3)),
    "u2": (2, 1),
    "u3": (3, 1),
    "cu": (4, 2),
}
_VERSION = re.compile(r"3(\.[0-9]+)?")
_DEPTH_MESSAGE = "nested too deeply"
# The parser recurses, and takes a millisecond for each level before it gives up.
_DEEPEST, _MOST_OPERATORS = 256, 1024
_OPERATORS = frozenset("+-*/%^&|~!<>=")
_IGNORED = re.compile(r'//[^\n]*|/\*.*?(?:\*/|\Z)|"[^"\n]*"', re.DOTALL)
_LONGEST_MESSAGE = 120


class _SyntaxError(Exception):
    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line, self.column, self.message = line, column, message


def inspect_qasm(block: Block) -> tuple[CodeFacts, list[Diagnostic]]:
    """Facts and findings of a qasm block."""
    try:
        program = _parse(block.source)
        if program is None:
            return UNPARSED, [no_entry(block, "no program", "declare qubits and apply gates")]
        checked = _Program(block, program)
        found = list(checked.findings())
    except _SyntaxError as error:
        return UNPARSED, [unreadable(block, error.line, error.column, error.message)]
    except RecursionError:
        return UNPARSED, [unreadable(block, 1, 1, _DEPTH_MESSAGE)]
    if any(diagnostic.code == "MAML314" for diagnostic in found):
        return UNPARSED, found
    facts = CodeFacts("program", qubits=checked.width, parameters=tuple(checked.parameters()))
    return facts, found


def _parse(source: str) -> ast.Program | None:
    """The tree; None for a source of spaces and comments alone, which the visitor cannot read."""
    _refuse_depth(source)
    # The parser's own names for ANTLR's classes: untyped, and not exported on purpose.
    parsing: Any = importlib.import_module("openqasm3.parser")

    class Raise(parsing.ErrorListener):  # type: ignore[misc]
        def syntaxError(  # noqa: N802 (ANTLR's name)
            self, _recognizer: Any, _symbol: Any, line: int, column: int, message: str, _error: Any
        ) -> None:
            shown = message.partition(" expecting {")[0].replace("\n", " ")
            raise _SyntaxError(line, column + 1, shown[:_LONGEST_MESSAGE])

    # `openqasm3.parse` does the same but writes to stderr and loses the line.
    lexer = parsing.qasm3Lexer(parsing.InputStream(source))
    stream = parsing.CommonTokenStream(lexer)
    parser = parsing.qasm3Parser(stream)
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(Raise())
    if stream.LA(1) == -1:
        return None
    try:
        program: ast.Program = parsing.QASMNodeVisitor().visitProgram(parser.program())
    except parsing.QASM3ParsingError as error:
        place = re.match(r"L(\d+):C(\d+): ", str(error))
        line, column = (int(place[1]), int(place[2]) + 1) if place else (1, 1)
        message = str(error)[place.end() if place else 0 :]
        raise _SyntaxError(line, column, message or "cannot be read") from None
    return program


def _refuse_depth(source: str) -> None:
    """Refuse brackets in brackets, and operators in one statement, beyond what can be read."""
    depth = operators = 0
    for line, text in enumerate(_IGNORED.sub(_blank, source).split("\n"), 1):
        for column, character in enumerate(text, 1):
            depth += (character in "([{") - (character in ")]}")
            operators = 0 if character in ";{}" else operators + (character in _OPERATORS)
            if depth > _DEEPEST or operators > _MOST_OPERATORS:
                raise _SyntaxError(line, column, _DEPTH_MESSAGE)


def _blank(found: re.Match[str]) -> str:
    """As many line feeds as were there."""
    return "\n" * found[0].count("\n")


class _Program:
    """Names of one program."""

    def __init__(self, block: Block, program: ast.Program) -> None:
        self._block = block
        self._program = program
        self._gates: dict[str, tuple[int, int]] = dict(_LANGUAGE)
        self._qubits: set[str] = set()
        self._constants: dict[str, int] = {}
        self._inputs: list[tuple[str, ast.Statement]] = []
        self._widths: list[int | None] = []

    @property
    def width(self) -> int | None:
        """Number of declared qubits, when all sizes are known."""
        sizes = [size for size in self._widths if size is not None]
        return sum(sizes) if sizes and len(sizes) == len(self._widths) else None

    def parameters(self) -> Iterator[Parameter]:
        """Inputs; MAML408 of a qasm block stands at its first line."""
        span = Span.at(self._block.fence.first_line, 1)
        for name, _ in self._inputs:
            yield Parameter(name, required=True, span=span)

    def findings(self) -> Iterator[Diagnostic]:
        """MAML314 and MAML319, in the order of the text."""
        version = self._program.version
        if version is not None and not _VERSION.fullmatch(version):
            yield unreadable(self._block, 1, 1, f"version '{version}' is not OpenQASM 3")
        for statement in _flat(self._program.statements):
            yield from self._statement(statement)

    def _statement(self, node: ast.Statement) -> Iterator[Diagnostic]:
        from openqasm3 import ast

        self._declare(node)
        if isinstance(node, ast.Include):
            yield from self._include(node)
        elif isinstance(node, ast.IODeclaration):
            yield from self._port(node)
        elif isinstance(node, ast.QuantumGateDefinition):
            yield from self._definition(node)
        elif isinstance(node, ast.QuantumGate):
            yield from self._gate(node, self._qubits)
        elif isinstance(node, ast.CalibrationStatement | ast.CalibrationDefinition):
            yield self._at(node, "MAML319", "calibration is opaque to every head")

    def _declare(self, node: ast.Statement) -> None:
        from openqasm3 import ast

        if isinstance(node, ast.QubitDeclaration):
            self._qubits.add(node.qubit.name)
            self._widths.append(1 if node.size is None else self._integer(node.size))
        elif isinstance(node, ast.ConstantDeclaration):
            value = self._integer(node.init_expression)
            if value is not None:
                self._constants[node.identifier.name] = value
        elif isinstance(node, ast.AliasStatement):
            self._qubits.add(node.target.name)
        elif isinstance(node, ast.SubroutineDefinition):
            self._qubits |= {argument.name.name for argument in node.arguments}

    def _include(self, node: ast.Include) -> Iterator[Diagnostic]:
        if node.filename == "stdgates.inc":
            self._gates.update(_STANDARD)
        else:
            yield self._at(node, "MAML314", f"file '{node.filename}' cannot be included")

    def _port(self, node: ast.IODeclaration) -> Iterator[Diagnostic]:
        from openqasm3 import ast

        name = node.identifier.name
        if node.io_identifier is ast.IOKeyword.output:
            yield self._at(node, "MAML314", f"output '{name}'; results are the measured bits")
        elif not isinstance(node.type, ast.FloatType | ast.AngleType):
            yield self._at(node, "MAML314", f"input '{name}' is neither float nor angle")
        else:
            self._inputs.append((name, node))

    def _definition(self, node: ast.QuantumGateDefinition) -> Iterator[Diagnostic]:
        from openqasm3 import ast

        qubits = {qubit.name for qubit in node.qubits}
        for inner in _flat(node.body):
            if isinstance(inner, ast.QuantumGate):
                yield from self._gate(inner, qubits)
        self._gates[node.name.name] = (len(node.arguments), len(node.qubits))

    def _gate(self, node: ast.QuantumGate, qubits: set[str]) -> Iterator[Diagnostic]:
        name = node.name.name
        if name not in self._gates:
            yield self._at(node, "MAML314", f"gate '{name}' is not defined")
            return
        angles, width = self._gates[name]
        controls = self._controls(node)
        if len(node.arguments) != angles:
            yield self._at(
                node, "MAML314", f"gate '{name}' takes {angles} angles, not {len(node.arguments)}"
            )
        if controls is not None and len(node.qubits) != width + controls:
            yield self._at(
                node,
                "MAML314",
                f"gate '{name}' acts on {width + controls} qubits, not {len(node.qubits)}",
            )
        for operand in node.qubits:
            yield from self._operand(node, operand, qubits)

    def _operand(
        self,
        node: ast.QuantumGate,
        operand: ast.Identifier | ast.IndexedIdentifier,
        known: set[str],
    ) -> Iterator[Diagnostic]:
        from openqasm3 import ast

        name = operand.name.name if isinstance(operand, ast.IndexedIdentifier) else operand.name
        if name not in known and not name.startswith("$"):
            yield self._at(node, "MAML314", f"qubit '{name}' is not declared")

    def _controls(self, node: ast.QuantumGate) -> int | None:
        from openqasm3 import ast

        total = 0
        for modifier in node.modifiers:
            if modifier.modifier in (ast.GateModifierName.ctrl, ast.GateModifierName.negctrl):
                count = 1 if modifier.argument is None else self._integer(modifier.argument)
                if count is None:
                    return None
                total += count
        return total

    def _integer(self, node: object) -> int | None:
        from openqasm3 import ast

        if isinstance(node, ast.IntegerLiteral):
            return int(node.value)
        return self._constants.get(node.name) if isinstance(node, ast.Identifier) else None

    def _at(self, node: ast.Statement, code: str, message: str) -> Diagnostic:
        span = node.span
        line, column = (span.start_line, span.start_column + 1) if span else (1, 1)
        place = Span.at(self._block.fence.first_line + line - 1, column)
        text = f"qasm: {message}"
        return Diagnostic(code, Severity.ERROR, place, text, subject=message)


def _flat(statements: Iterable[Any]) -> Iterator[Any]:
    """Statements and those inside loops and branches, in the order of the text, no recursion."""
    waiting = list(statements)[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        inner = [
            statement
            for part in ("if_block", "else_block", "block")
            for statement in getattr(node, part, None) or ()
        ]
        waiting += inner[::-1]
