"""SQL blocks: one read-only SELECT in DuckDB's dialect (MAML.md §4).

Tables and `:name` parameters become facts; whether a kernel supplies them is a question of the
graph. Forbidden functions are looked for among the tokens, because a parser gives many of them
names of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from chimera_pipelines.maml.code_records import (
    UNPARSED,
    CodeFacts,
    Parameter,
    forbidden,
    no_entry,
    unreadable,
)
from chimera_pipelines.maml.diagnostics import Diagnostic, Span
from chimera_pipelines.maml.document import Block
from chimera_pipelines.maml.sql_parameters import with_dollars

if TYPE_CHECKING:
    from sqlglot import Token, exp

_TABLE_FUNCTIONS: Final = frozenset({"range", "generate_series", "unnest"})
_FORBIDDEN = re.compile(
    r"getenv|glob|query|query_table|current_setting|(?:read|parquet|duckdb|pragma|sniff)_.*",
    re.IGNORECASE | re.DOTALL,
)


class _SyntaxError(Exception):
    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line, self.column, self.message = line, column, message


def inspect_sql(block: Block) -> tuple[CodeFacts, list[Diagnostic]]:
    """Facts and findings of a sql block."""
    span = Span.at(block.fence.first_line, 1)
    text, names = with_dollars(block.source)
    try:
        tokens = _tokens(text)
        found = [forbidden(span, f"function '{name}'") for name in _forbidden_functions(tokens)]
        if _is_other_statement(tokens):
            return UNPARSED, [*found, forbidden(span, "a statement that is no SELECT")]
        statements = _parse(text)
    except _SyntaxError as error:
        return UNPARSED, [unreadable(block, error.line, error.column, error.message)]
    except RecursionError:
        return UNPARSED, [unreadable(block, 1, 1, "nested too deeply")]
    if not statements:
        return UNPARSED, [no_entry(block, "no statement", "write one SELECT")]
    if len(statements) > 1:
        found.append(forbidden(span, "a second statement", "one block is one SELECT"))
    found += [forbidden(span, what) for what in _writes(statements[0])]
    if found:
        return UNPARSED, found  # which tables it reads is no question any more
    facts = CodeFacts(
        "select",
        tables=_parameters(_tables(statements[0]), span),
        parameters=_parameters([*names, *_foreign_parameters(statements[0], names)], span),
    )
    return facts, found


def _tokens(text: str) -> list[Token]:
    from sqlglot import tokenize
    from sqlglot.errors import SqlglotError

    try:
        return tokenize(text, read="duckdb")
    except SqlglotError as error:
        raise _SyntaxError(1, 1, str(error).split("\n", 1)[0].lower()) from None


def _parse(text: str) -> list[exp.Expr]:
    from sqlglot import parse
    from sqlglot.errors import ParseError, SqlglotError

    try:
        return [statement for statement in parse(text, read="duckdb") if statement is not None]
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        message = str(first.get("description") or "cannot be read").lower()
        raise _SyntaxError(first.get("line") or 1, first.get("col") or 1, message) from None
    except SqlglotError as error:
        raise _SyntaxError(1, 1, str(error).split("\n", 1)[0].lower()) from None


def _is_other_statement(tokens: list[Token]) -> bool:
    """Whether the text begins as a statement of another kind; those are not parsed at all."""
    from sqlglot.dialects.duckdb import DuckDB

    first = next((token.token_type for token in tokens if token.text != ";"), None)
    return first in DuckDB.Parser.STATEMENT_PARSERS or first in DuckDB.Tokenizer.COMMANDS


def _forbidden_functions(tokens: list[Token]) -> list[str]:
    from sqlglot import TokenType

    names: dict[str, None] = {}
    for token, following in pairwise(tokens):
        called = following.token_type is TokenType.L_PAREN and token.token_type != TokenType.STRING
        if called and _FORBIDDEN.fullmatch(token.text):
            names[token.text.lower()] = None
    return list(names)


def _writes(statement: exp.Expr) -> Iterator[str]:
    from sqlglot import exp

    if statement.find(exp.Into):
        yield "INTO"
    changes = (exp.DDL, exp.DML, exp.Command)
    nested = next((n for n in statement.find_all(*changes) if not isinstance(n, exp.Query)), None)
    if not isinstance(statement, exp.Query) or nested is not None:
        yield "a statement that is no SELECT"


def _foreign_parameters(statement: exp.Expr, names: list[str]) -> Iterator[str]:
    """`$x` and `?` as the author wrote them: nothing binds them."""
    from sqlglot import exp

    for node in statement.find_all(exp.Parameter, exp.Placeholder):
        name = node.name if isinstance(node, exp.Parameter) else str(node.this or "")
        if name not in names:
            yield f"${name}" if name else "?"


def _tables(statement: exp.Expr) -> Iterator[str]:
    """Names that must be inputs: tables that are no CTE, and functions in a table's place."""
    from sqlglot import exp

    for table in statement.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier):
            name = ".".join(part.name for part in table.parts).lower()
            if name not in _visible_ctes(table):
                yield name
        elif isinstance(table.this, exp.Func):
            name = _function_name(table.this)
            if name not in _TABLE_FUNCTIONS and not _FORBIDDEN.fullmatch(name):
                yield f"{name}()"


def _function_name(function: exp.Func) -> str:
    from sqlglot import exp

    anonymous = isinstance(function, exp.Anonymous)
    return (function.name if anonymous else function.sql_names()[0]).lower()


def _visible_ctes(node: exp.Expr) -> set[str]:
    """CTEs that a name at `node` may mean: of each WITH around it, those above it."""
    from sqlglot import exp

    names: set[str] = set()
    child, parent = node, node.parent
    while parent is not None:
        clause = parent.args.get("with_") or parent.args.get("with")
        if isinstance(clause, exp.With) and child is not clause:
            names |= {cte.alias.lower() for cte in clause.expressions}
        elif isinstance(parent, exp.With):
            own = [cte.alias.lower() for cte in parent.expressions]
            position = next(i for i, cte in enumerate(parent.expressions) if cte is child)
            names |= set(own[: position + 1] if parent.recursive else own[:position])
        child, parent = parent, parent.parent
    return names


def _parameters(names: Iterator[str] | list[str], span: Span) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, required=True, span=span) for name in dict.fromkeys(names))
