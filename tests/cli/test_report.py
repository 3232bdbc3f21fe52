from __future__ import annotations

import io

from chimera_pipelines.cli.report import diagnostic_lines
from chimera_pipelines.cli.terminal import Terminal
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span


def shown(line: str, span: Span, message: str = "m") -> list[str]:
    terminal = Terminal(io.StringIO(), json=False, quiet=False, verbose=0)
    found = Diagnostic("MAML405", Severity.ERROR, span, message, "h")
    return diagnostic_lines(terminal, "a.maml.md", [""] * (span.line - 1) + [line], found)


def test_head_line_source_and_caret():
    assert shown("  needs: [bell]", Span(14, 11, 14, 15)) == [
        "a.maml.md:14:11: error   MAML405 m  [h]",
        "  14 |   needs: [bell]",
        "     |           ^^^^",
    ]


def test_wide_and_combining_characters_keep_the_caret_under_the_place():
    _, source, caret = shown("量子: x", Span.at(1, 5))
    assert source.index("x") + 2 == caret.index("^")


def test_a_long_line_is_cut_around_the_place():
    _, source, caret = shown("a" * 5000 + "b" + "a" * 5000, Span.at(1, 5001))
    assert len(source) < 120
    assert source[caret.index("^")] == "b"


def test_escape_sequences_are_not_printed():
    lines = shown("\x1b[2J", Span.at(1, 1), "found '\x1b[2J'")
    assert "\x1b" not in "".join(lines)


def test_a_place_below_the_text_has_no_excerpt():
    assert len(shown("", Span.at(2, 1))) == 3
    terminal = Terminal(io.StringIO(), json=False, quiet=False, verbose=0)
    found = Diagnostic("MAML104", Severity.ERROR, Span.at(9, 1), "m")
    assert diagnostic_lines(terminal, "a", [""], found) == ["a:9:1: error   MAML104 m"]
