"""Places of Python nodes in the document: CPython counts UTF-8 bytes, we count code points."""

from __future__ import annotations

import ast

from chimera_pipelines.maml.diagnostics import Span


class SourcePlaces:
    """Spans of nodes of one block's tree.

    Args:
        source: the block's text.
        first_line: the document's line number of its first line.
    """

    def __init__(self, source: str, first_line: int) -> None:
        self._lines = None if source.isascii() else source.split("\n")
        self._first_line = first_line

    def of(self, node: ast.stmt | ast.expr | ast.arg | ast.alias) -> Span:
        """The whole node."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset
        return Span(
            self._first_line + node.lineno - 1,
            self._column(node.lineno, node.col_offset),
            self._first_line + end_line - 1,
            self._column(end_line, node.col_offset if end_column is None else end_column),
        )

    def of_attribute(self, node: ast.Attribute) -> Span:
        """The name after the dot: a node ends where its name does."""
        whole = self.of(node)
        return Span.at(whole.end_line, max(1, whole.end_column - len(node.attr)), len(node.attr))

    def at(self, line: int, column: int, width: int) -> Span:
        """A stretch of one line; `line` 1-based, `column` 0-based in code points."""
        return Span.at(self._first_line + line - 1, column + 1, width)

    def _column(self, line: int, offset: int) -> int:
        if self._lines is None or line > len(self._lines):
            return offset + 1
        text = self._lines[line - 1].encode("utf-8", "surrogatepass")[:offset]
        return len(text.decode("utf-8", "ignore")) + 1
