"""What a verb says and where: results to stdout, progress and errors to stderr.

With `--json` stdout carries one object and nothing else. File descriptor 1 is turned to stderr
while the verb runs, so that a print of a library, in Python or in C, or of a child process cannot
get in between.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

import typer

from chimera_pipelines.errors import ChimeraError, ExitCode

INTERNAL_CODE = "CHIM299"
# What a shell reports of a process that SIGPIPE ended.
BROKEN_PIPE = 141

_STYLES = {"error": "31;1", "warning": "33", "info": "36", "ok": "32", "dim": "2", "bold": "1"}


class Terminal:
    """The streams of one verb.

    Attributes:
        json: stdout gets one JSON object; text results are not written.
        quiet: no progress on stderr.
        verbose: 0, 1 (`-v`: log messages) or 2 (`-vv`: debug messages and tracebacks).
    """

    def __init__(self, out: TextIO, *, json: bool, quiet: bool, verbose: int) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self.emitted = False
        self._out = out

    @property
    def live(self) -> bool:
        """Whether stderr is a terminal that a moving view may be drawn on."""
        return not self.quiet and colours(sys.stderr) and os.environ.get("TERM") != "dumb"

    def emit(self, value: Mapping[str, Any]) -> None:
        """Write the verb's JSON object; the last act of a verb with `--json`."""
        if self.emitted:
            raise AssertionError("a verb writes one JSON object")
        self.emitted = True
        encoding = (getattr(self._out, "encoding", None) or "utf-8").lower().replace("-", "")
        indent = 2 if _is_terminal(self._out) else None
        text = json.dumps(value, ensure_ascii=encoding != "utf8", indent=indent, allow_nan=False)
        if not _encodable(text):
            text = json.dumps(value, indent=indent, allow_nan=False)
        self._out.write(text + "\n")
        self._out.flush()

    def say(self, text: str = "") -> None:
        """Write a line of the result, unless the result is JSON."""
        if not self.json:
            self._out.write(text + "\n")

    def note(self, text: str) -> None:
        """Write a line of progress to stderr, unless `--quiet`."""
        if not self.quiet:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        """Write a warning to stderr, `--quiet` or not."""
        head = painted("warning", "warning", colour=colours(sys.stderr))
        sys.stderr.write(f"chimera: {head}: {text}\n")
        sys.stderr.flush()

    def fail(self, error: ChimeraError) -> None:
        """Write an error to stderr: text, or with `--json` the object of CLI.md."""
        if self.json:
            sys.stderr.write(json.dumps(error.as_json()) + "\n")
            return
        sys.stderr.write(error_text(error, colour=colours(sys.stderr)) + "\n")

    def paint(self, style: str, text: str) -> str:
        """`text` in a style of the result, where stdout shows colours."""
        return painted(style, text, colour=colours(self._out))


class _Log(logging.Handler):
    """Log messages to whatever stderr is at the time: a live view puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(clean(self.format(record)) + "\n")


def error_text(error: ChimeraError, *, colour: bool = False) -> str:
    """An error in the form of STYLE.md C3: code, message, place, hint, where to read more."""
    head = painted("error", f"error[{error.code}]", colour=colour)
    lines = [f"chimera: {head}: {clean(error.message)}"]
    if error.where is not None:
        lines.append(f"  --> {clean(str(error.where))}")
    if error.hint:
        lines.append(f"   = hint: {clean(error.hint)}")
    if error.code != INTERNAL_CODE:
        lines.append(f"   = see:  chimera explain {error.code}")
    return "\n".join(lines)


def colours(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that wants colours (no-color.org)."""
    return not os.environ.get("NO_COLOR") and _is_terminal(stream)


def painted(style: str, text: str, *, colour: bool) -> str:
    """`text` in one of the styles error, warning, info, ok, dim, bold."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour else text


def clean(text: str) -> str:
    """`text` without characters that command a terminal: a document must not move the cursor."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


@contextmanager
def opened(*, json: bool, quiet: bool = False, verbose: int = 0) -> Iterator[Terminal]:
    """The terminal of one verb; maps every exception to a message and an exit code.

    Raises:
        typer.Exit: with the code of CLI.md after an error was written.
    """
    logging.basicConfig(
        level=(logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)],
        format="%(levelname)s %(name)s: %(message)s",
        handlers=[_Log()],
        force=True,
    )
    with _result_stream(json=json) as out:
        terminal = Terminal(out, json=json, quiet=quiet, verbose=verbose)
        try:
            yield terminal
        except (typer.Exit, typer.Abort, typer.TyperException, KeyboardInterrupt):
            raise
        except BrokenPipeError:
            abandon_output()
            raise typer.Exit(BROKEN_PIPE) from None
        except ChimeraError as error:
            _report(terminal, error)
            raise typer.Exit(int(error.exit_code)) from None
        except Exception as error:  # noqa: BLE001 - the one place where all of them end
            if verbose >= 2:  # noqa: PLR2004 - `-vv`
                traceback.print_exc()
            coded = _storage(error)
            _report(terminal, coded or _internal(error))
            raise typer.Exit(int(coded.exit_code if coded else ExitCode.INTERNAL)) from None


def abandon_output() -> None:
    """Turn stdout to nowhere: its reader has gone, and what is buffered can reach nobody."""
    descriptor = _descriptor(sys.stdout)
    if descriptor is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _report(terminal: Terminal, error: ChimeraError) -> None:
    terminal.fail(error)
    if terminal.json and not terminal.emitted:
        terminal.emit({"schema": "chimera.error/1", "error": error.as_json()})


def _storage(error: Exception) -> ChimeraError | None:
    if not isinstance(error, OSError):
        return None
    from chimera_pipelines.settings import settings, storage_error

    try:
        return storage_error(error, settings().root)
    except ChimeraError as unusable:
        return unusable


def _internal(error: Exception) -> ChimeraError:
    text = " ".join(str(error).split())[:500]
    return ChimeraError(
        INTERNAL_CODE,
        f"internal error: {type(error).__name__}: {text}",
        hint="this is a fault of chimera-pipelines; run again with -vv and report what it prints",
    )


@contextmanager
def _result_stream(*, json: bool) -> Iterator[TextIO]:
    """Where the result goes. With `--json` everything else that meant stdout goes to stderr."""
    if not json:
        yield sys.stdout
        return
    real = sys.stdout
    real.flush()
    descriptor = _descriptor(real)
    if descriptor != 1 or _descriptor(sys.stderr) is None:
        # No process stdout (a test, an embedding program): Python's own prints are all there is.
        sys.stdout = sys.stderr
        try:
            yield real
        finally:
            sys.stdout = real
        return
    kept = os.dup(1)
    os.dup2(sys.stderr.fileno(), 1)
    with open(kept, "w", encoding="utf-8", errors="surrogateescape") as result:  # noqa: PTH123
        sys.stdout = sys.stderr
        try:
            yield result
            result.flush()
        finally:
            sys.stdout = real
            os.dup2(kept, 1)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
