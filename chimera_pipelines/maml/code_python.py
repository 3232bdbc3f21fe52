"""Python and qiskit blocks: parse, find the entry and its parameters (MAML.md §4).

The rules about imports and names are in `code_python_rules`. Both walk the tree without recursion,
so depth is bounded by what CPython's parser accepts.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator

from chimera_pipelines.maml.code_python_rules import lint_tree, nodes_of
from chimera_pipelines.maml.code_records import (
    UNPARSED,
    Binding,
    CodeFacts,
    FunctionFacts,
    Parameter,
    no_entry,
    unreadable,
)
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity
from chimera_pipelines.maml.document import Block
from chimera_pipelines.maml.source_places import SourcePlaces

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_AT_THE_TOP = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, *_DEFINITIONS)
_LEARNING = ("anomaly", "auc", "energy", "kernel_matrix", "qaoa", "syndrome_classifier", "vqe")
_DECODING = ("logical_threshold", "surface_code_memory")
_BEHIND_BLOCKS = {
    "torch": frozenset(_LEARNING),
    "stim": frozenset(_DECODING),
    "pymatching": frozenset(_DECODING),
}
_CALLED_IN_QISKIT = ("circuit", "observable", "post")


def inspect_python(
    block: Block, extra_imports: frozenset[str]
) -> tuple[CodeFacts, list[Diagnostic]]:
    """Facts and findings of a python or qiskit block."""
    tree = _parse(block)
    if isinstance(tree, Diagnostic):
        return UNPARSED, [tree]
    places = SourcePlaces(block.source, block.fence.first_line)
    found = list(_statements(tree, places))
    entry, problems = _entry(block, tree, places)
    found += problems
    nodes = nodes_of(tree)
    imports, rule_problems = lint_tree(nodes, block.source, places, extra_imports)
    imports |= _through_blocks(imports, nodes)
    functions = {
        node.name: FunctionFacts(
            node.name, tuple(_parameters(node.args, places)), _returned_keys(node)
        )
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    qubits = _width(tree, nodes) if block.language == "qiskit" else None
    return CodeFacts(entry, functions, imports, qubits), found + rule_problems


def _through_blocks(imports: frozenset[str], nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Libraries that a block uses by calling functions of `chimera_pipelines.blocks`.

    They decide on which head it runs, and what its sandbox imports before it is closed.
    """
    if "chimera_pipelines" not in imports:
        return frozenset()
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return frozenset(library for library, names in _BEHIND_BLOCKS.items() if used & names)


def _parse(block: Block) -> ast.Module | Diagnostic:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(block.source)
            # What only the compiler refuses (`return` outside a function) would fail in every run.
            compile(tree, "<block>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return unreadable(block, error.lineno or 1, error.offset or 1, error.msg)
    except (ValueError, OverflowError, RecursionError, MemoryError):
        return unreadable(block, 1, 1, "nested too deeply, or no text that python can read")
    return tree


def _statements(tree: ast.Module, places: SourcePlaces) -> Iterator[Diagnostic]:
    for position, node in enumerate(tree.body):
        if isinstance(node, _AT_THE_TOP):
            continue
        if position == 0 and isinstance(node, ast.Expr) and _is_text(node.value):
            continue
        yield Diagnostic(
            "MAML315",
            Severity.ERROR,
            places.of(node),
            "statement outside a function",
            "move it into the entry function",
            fixable=True,
        )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _entry(
    block: Block, tree: ast.Module, places: SourcePlaces
) -> tuple[str | None, list[Diagnostic]]:
    """The name of the function that phase 3 calls, and what is wrong with those called by name."""
    defined = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    if block.language == "qiskit":
        called = [defined[name] for name in _CALLED_IN_QISKIT if name in defined]
        name: str | None = "circuit"
        missing = no_entry(block, "no function 'circuit'", "define circuit(…) at the top level")
    else:
        public = [name for name in defined if not name.startswith("_")]
        name = "run" if "run" in defined else public[0] if len(public) == 1 else None
        called = [defined[name]] if name else []
        missing = no_entry(block, *_no_run(public))
    problems = [] if name in defined else [missing]
    for node in called:
        flaw = _flaw(node)
        if flaw:
            hint = "an entry is a plain function"
            problems.append(
                Diagnostic(
                    "MAML315", Severity.ERROR, places.of(node), f"'{node.name}' is {flaw}", hint
                )
            )
    return (None if problems else name), problems


def _no_run(public: list[str]) -> tuple[str, str]:
    if public:
        names = ", ".join(f"'{name}'" for name in public)
        return f"no entry point: public functions {names}", "name one of them 'run'"
    return "no entry point", "define run(…) at the top level"


def _flaw(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    if isinstance(node, ast.AsyncFunctionDef):
        return "async"
    return "decorated" if node.decorator_list else None


def _parameters(arguments: ast.arguments, places: SourcePlaces) -> Iterator[Parameter]:
    """In the order of the text. Variadic ones are never required of the caller by name."""
    positional = [*arguments.posonlyargs, *arguments.args]
    first_default = len(positional) - len(arguments.defaults)
    for position, argument in enumerate(positional):
        only = position < len(arguments.posonlyargs)
        binding = Binding.POSITIONAL if only else Binding.KEYWORD
        yield _parameter(argument, places, required=position < first_default, binding=binding)
    if arguments.vararg:
        yield _parameter(arguments.vararg, places, required=False, binding=Binding.VARIADIC)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _parameter(argument, places, required=default is None)
    if arguments.kwarg:
        yield _parameter(arguments.kwarg, places, required=False, binding=Binding.VARIADIC)


def _parameter(
    argument: ast.arg, places: SourcePlaces, *, required: bool, binding: Binding = Binding.KEYWORD
) -> Parameter:
    return Parameter(argument.arg, required, places.of(argument), binding)


def _returned_keys(function: ast.FunctionDef) -> frozenset[str] | None:
    keys: set[str] = set()
    waiting: list[ast.AST] = list(function.body)
    returns = 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return):
            literal = _literal_keys(node.value)
            if literal is None:
                return None
            keys |= literal
            returns += 1
        elif not isinstance(node, (*_DEFINITIONS, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return frozenset(keys) if returns else None


def _literal_keys(node: ast.expr | None) -> set[str] | None:
    if not isinstance(node, ast.Dict):
        return None
    keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
    names = {key for key in keys if isinstance(key, str)}
    return names if len(names) == len(node.keys) else None


def _width(tree: ast.Module, nodes: Iterable[ast.AST]) -> int | None:
    """Qubits of the widest circuit, when every `QuantumCircuit(n, …)` has a literal width."""
    constants = dict(_constants(tree.body))
    widths: list[int] = []
    for node in nodes:
        if isinstance(node, ast.Call) and _called(node) == "QuantumCircuit":
            width = _integer(node.args[0], constants) if node.args else None
            if width is None:
                return None
            widths.append(width)
    return max(widths, default=None)


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _constants(body: Iterable[ast.stmt]) -> Iterator[tuple[str, int]]:
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], _integer(node.value, {})
            if isinstance(target, ast.Name) and value is not None:
                yield target.id, value


def _integer(node: ast.expr, constants: dict[str, int]) -> int | None:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    return constants.get(node.id) if isinstance(node, ast.Name) else None
