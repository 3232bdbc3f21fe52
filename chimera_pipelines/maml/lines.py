"""Offsets of a text as lines and columns: 1-based, columns in code points, only LF ends a line."""

from __future__ import annotations

from bisect import bisect_right

from chimera_pipelines.maml.diagnostics import Span


class LineIndex:
    """Where offsets of `text` stand in the document.

    Args:
        text: a stretch of the document, LF line ends.
        first_line: the document's line number of the stretch's first line.
        column0: the column at which each of its lines begins.
    """

    def __init__(self, text: str, first_line: int = 1, column0: int = 1) -> None:
        self._first_line = first_line
        self._column0 = column0
        starts = [0]
        at = text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = text.find("\n", at + 1)
        self._starts = starts

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        row = bisect_right(self._starts, offset) - 1
        return self._first_line + row, self._column0 + offset - self._starts[row]

    def span(self, start: int, end: int) -> Span:
        """The stretch `[start, end)`."""
        return Span(*self.place(start), *self.place(max(start, end)))
