"""Imports and names that blocks may not use (MAML.md §4; MAML317 to MAML319).

For readers and honest mistakes: the boundary is the sandbox. One pass over the tree sorts its
nodes; which names stand for modules must be known before attributes are judged.
"""

from __future__ import annotations

import ast
import io
import tokenize
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TypeGuard

from chimera_pipelines.maml.code_records import forbidden
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span
from chimera_pipelines.maml.source_places import SourcePlaces


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES = _words(
    "__future__ abc bisect cmath collections copy dataclasses datetime decimal enum fractions "
    "functools hashlib heapq itertools json math numbers operator random re statistics string "
    "textwrap time typing zoneinfo networkx numpy pandas pymatching qiskit scipy sinter stim "
    "sympy torch"
)
_SUBMODULES = _words(
    "numpy.ctypeslib numpy.f2py pandas.io qiskit.qpy scipy.io torch.distributed torch.hub "
    "torch.multiprocessing torch.utils"
)
_REMOVED = frozenset(
    f"qiskit.{name}"
    for name in (
        *("Aer", "AerSimulator", "BasicAer", "IBMQ", "assemble", "execute"),
        *("algorithms", "aqua", "ignis", "opflow", "providers.aer", "test"),
    )
)
_NAMES = _words(
    "__import__ breakpoint compile eval exec exit globals help input locals open quit vars"
)
_REFLECTION = _words("getattr hasattr setattr delattr")
_ATTRIBUTES = _words(
    "ctypeslib fromfile genfromtxt hub load_library loadtxt memmap savetxt to_csv to_excel "
    "to_feather to_hdf to_parquet to_pickle to_sql tofile"
)
_FILES = _words("load save savez savez_compressed")
_FILE_MODULES = frozenset({"numpy", "torch"})
_QISKIT = frozenset({"qiskit.circuit"})
_BARE_GATES = frozenset({"Gate", "ControlledGate", "Instruction"})
_WATCHED = _FILES | {name.rpartition(".")[2] for name in _REMOVED}


def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """The nodes of a tree in the order of `ast.walk`, in half its time; contexts are left out."""
    found = [tree]
    for node in found:  # grows meanwhile
        for name in node._fields:
            value = getattr(node, name)
            if isinstance(value, list):
                found += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                found.append(value)
    return found


def lint_tree(
    nodes: Sequence[ast.AST], source: str, places: SourcePlaces, extra_imports: frozenset[str]
) -> tuple[frozenset[str], list[Diagnostic]]:
    """First names of imported modules, and the findings, of a tree's nodes."""
    imports: list[ast.Import | ast.ImportFrom] = []
    names: list[ast.Name] = []
    attributes: list[ast.Attribute] = []
    calls: list[ast.Call] = []
    for node in nodes:
        if isinstance(node, ast.Name):
            names.append(node)
        elif isinstance(node, ast.Attribute):
            attributes.append(node)
        elif isinstance(node, ast.Call):
            calls.append(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
    found: list[Diagnostic] = []
    for statement in imports:
        found += _import(statement, places.of(statement), MODULES | extra_imports)
    found += _names(names, calls, places)
    bound = _bound_modules(imports)
    found += _Attributes(bound, places).findings(attributes)
    if not any(node.attr == "definition" for node in attributes):
        found += _opaque_gates(calls, bound, places)
    if not source.isascii():
        found += _strange_identifiers(source, places)
    roots = {_root(name) for statement in imports for name in _module_names(statement)}
    return frozenset(roots), found


def _module_names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if node.module and not node.level else []


def _root(name: str) -> str:
    return name.partition(".")[0]


def _is_within(name: str, modules: frozenset[str]) -> bool:
    """Whether a dotted name is one of `modules` or inside one."""
    parts = name.split(".")
    return any(".".join(parts[:n]) in modules for n in range(1, len(parts) + 1))


def _import(
    node: ast.Import | ast.ImportFrom, span: Span, allowed: frozenset[str]
) -> Iterator[Diagnostic]:
    if isinstance(node, ast.ImportFrom):
        yield from _import_from(node, span, allowed)
        return
    for alias in node.names:
        if not _importable(alias.name, allowed):
            yield forbidden(span, f"import of '{alias.name}'", _import_hint(alias.name))
    removed = [alias.name for alias in node.names if _is_within(alias.name, _REMOVED)]
    if removed:
        yield _removed(span, removed)


def _import_from(node: ast.ImportFrom, span: Span, allowed: frozenset[str]) -> Iterator[Diagnostic]:
    module = node.module or ""
    if node.level:
        yield forbidden(span, f"relative import of '{'.' * node.level}{module}'")
        return
    names = [alias.name for alias in node.names]
    if module == "chimera_pipelines" and names == ["blocks"]:
        return  # what this package offers to blocks, and nothing else of it
    if not _importable(module, allowed):
        yield forbidden(span, f"import of '{module}'", _import_hint(module))
        return
    if names == ["*"]:
        yield forbidden(span, f"import of '*' from '{module}'", "name what you use")
    for name in names:
        if not _importable(f"{module}.{name}", allowed) or _reads_files(module, name):
            yield forbidden(span, f"import of '{module}.{name}'")
    removed = (
        [module]
        if _is_within(module, _REMOVED)
        else [name for name in names if f"{module}.{name}" in _REMOVED]
    )
    if removed:
        yield _removed(span, removed)


def _importable(name: str, allowed: frozenset[str]) -> bool:
    return _is_within(name, allowed) and not _is_within(name, _SUBMODULES - allowed)


def _reads_files(module: str, name: str) -> bool:
    of_files = name in _FILES and _root(module) in _FILE_MODULES
    return of_files or _is_file_attribute(name)


def _is_file_attribute(name: str) -> bool:
    return name in _ATTRIBUTES or name.startswith("read_")


def _import_hint(name: str) -> str | None:
    root = _root(name)
    if root == "chimera_pipelines":
        return "write 'from chimera_pipelines import blocks'"
    if root == "qiskit_aer":
        return "return the circuit; the head runs it"
    return None if root in MODULES else "kernels see their inputs alone, no files and no network"


def _removed(span: Span, names: list[str]) -> Diagnostic:
    shown = ", ".join(f"'{name}'" for name in names)
    return Diagnostic(
        "MAML318",
        Severity.WARNING,
        span,
        f"removed from qiskit: {shown}",
        "return the circuit; the head runs it",
    )


def _bound_modules(imports: list[ast.Import | ast.ImportFrom]) -> dict[str, str]:
    """Names that stand for a module, with its dotted name."""
    bound: dict[str, str] = {}
    for node in imports:
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif alias.asname:
                bound[alias.asname] = alias.name
            else:
                root = _root(alias.name)
                bound[root] = root
    return bound


def _names(
    names: list[ast.Name], calls: list[ast.Call], places: SourcePlaces
) -> Iterator[Diagnostic]:
    # `getattr(x, "name")` is allowed as a whole, its first node nowhere else.
    literal = {
        id(call.func)
        for call in calls
        if _calls(call, _REFLECTION) and len(call.args) > 1 and _is_plain_name(call.args[1])
    }
    for node in names:
        if node.id in _NAMES:
            yield forbidden(places.of(node), f"use of '{node.id}'")
        elif node.id in _REFLECTION and id(node) not in literal:
            yield forbidden(
                places.of(node),
                f"'{node.id}' without a literal name",
                "write the attribute's name as a text, without double underscores",
            )


def _opaque_gates(
    calls: list[ast.Call], bound: dict[str, str], places: SourcePlaces
) -> Iterator[Diagnostic]:
    """MAML319 as far as the text tells: a bare `Gate(name, …)` without a definition."""
    for node in calls:
        called = _dotted(node.func, bound)
        if _is_within(called, _QISKIT) and called.rpartition(".")[2] in _BARE_GATES:
            yield Diagnostic(
                "MAML319",
                Severity.ERROR,
                places.of(node),
                f"'{called.rpartition('.')[2]}' without a definition is opaque",
                "set its 'definition', or write the gates it stands for",
            )


def _dotted(node: ast.expr, bound: dict[str, str]) -> str:
    """`numpy.random` for `np.random`; empty when it does not start at an imported name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in bound:
        return ""
    return ".".join([bound[node.id], *reversed(names)])


class _Attributes:
    """Rules about what stands after a dot; `modules` are names that stand for modules."""

    def __init__(self, modules: dict[str, str], places: SourcePlaces) -> None:
        self._modules = modules
        self._places = places

    def findings(self, attributes: list[ast.Attribute]) -> Iterator[Diagnostic]:
        """MAML317 and MAML318."""
        for node in attributes:
            if not _is_super_init(node):
                yield from self._attribute(node)

    def _attribute(self, node: ast.Attribute) -> Iterator[Diagnostic]:
        if _is_dunder(node.attr) or _is_file_attribute(node.attr):
            yield forbidden(self._places.of_attribute(node), f"attribute '{node.attr}'")
            return
        if node.attr not in _WATCHED:
            return
        span, owner = self._places.of_attribute(node), _dotted(node.value, self._modules)
        if node.attr in _FILES and _root(owner) in _FILE_MODULES:
            yield forbidden(span, f"use of '{owner}.{node.attr}'", "values arrive as inputs")
        elif f"{owner}.{node.attr}" in _REMOVED:
            yield _removed(span, [node.attr])


def _is_super_init(node: ast.Attribute) -> bool:
    return node.attr == "__init__" and _calls(node.value, frozenset({"super"}))


def _calls(node: ast.AST, names: frozenset[str]) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _is_plain_name(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and not _is_dunder(node.value)
    )


def _is_dunder(name: str) -> bool:
    return len(name) > 4 and name.startswith("__") and name.endswith("__")  # noqa: PLR2004


def _strange_identifiers(source: str, places: SourcePlaces) -> Iterator[Diagnostic]:
    """Names as written: the tree already holds them normalised."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type != tokenize.NAME or token.string.isascii():
                continue
            if unicodedata.normalize("NFKC", token.string) != token.string:
                span = places.at(token.start[0], token.start[1], len(token.string))
                yield forbidden(span, f"identifier '{token.string}' is not in NFKC")
    except (tokenize.TokenError, SyntaxError):  # the parser was content, so nothing is left to see
        return
