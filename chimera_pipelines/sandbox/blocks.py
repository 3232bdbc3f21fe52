"""Blocks inside the sandbox: loading their text, finding their functions, placing their errors."""

from __future__ import annotations

import builtins
import linecache
import sys
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType, TracebackType

_MAX_FRAMES = 64
_MAX_MESSAGE = 4000
_OURS = "chimera_pipelines"
_IMPORTABLE = ("blocks",)


class Blocks:
    """The blocks of one session."""

    def __init__(self) -> None:
        self._modules: dict[str, ModuleType] = {}
        self._files: dict[str, tuple[str, int]] = {}

    def load(self, name: str, source: str, filename: str, first_line: int) -> None:
        """Run a block's top level in a module of its own.

        `filename` is unique within the session. Lines in tracebacks are the file's; those that
        `frames` gives count from 1 in the source.

        Raises:
            BaseException: whatever the text raises, `SyntaxError` included.
        """
        self._files[filename] = (name, first_line)
        padding = "\n" * (first_line - 1)
        lines = (padding + source).splitlines(keepends=True)
        linecache.cache[filename] = (len(source), None, lines, filename)
        code = compile(padding + source, filename, "exec", dont_inherit=True)
        module = ModuleType(f"block_{name}")
        module.__file__ = filename
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        sys.modules[module.__name__] = module  # dataclasses look their module up
        exec(code, module.__dict__)  # noqa: S102 - this process exists for it
        self._modules[name] = module

    def function(self, block: str, name: str) -> object:
        """A name at a block's top level.

        Raises:
            NameError: no such block, or no such name in it.
        """
        if block not in self._modules:
            raise NameError(f"no block '{block}' is loaded")
        try:
            return self._modules[block].__dict__[name]
        except KeyError:
            raise NameError(f"block '{block}' has no function '{name}'") from None

    def frames(self, error: BaseException) -> list[list[object]]:
        """`[block, function, line, column, source]` of the blocks' own frames, outermost first."""
        found = [item for item in self._walk(error.__traceback__) if item is not None]
        if isinstance(error, SyntaxError) and error.filename in self._files and error.lineno:
            name, first_line = self._files[error.filename]
            text = linecache.getline(error.filename, error.lineno).rstrip("\n")
            line = max(1, error.lineno - first_line + 1)
            found.append([name, "<module>", line, error.offset or None, text])
        return found[-_MAX_FRAMES:]

    def _walk(self, trace: TracebackType | None) -> list[list[object] | None]:
        items = []
        while trace is not None:
            items.append(self._frame(trace))
            trace = trace.tb_next
        return items

    def _frame(self, trace: TracebackType) -> list[object] | None:
        code = trace.tb_frame.f_code
        if code.co_filename not in self._files or trace.tb_lineno is None:
            return None
        name, first_line = self._files[code.co_filename]
        text = linecache.getline(code.co_filename, trace.tb_lineno).rstrip("\n")
        column = _column(code, trace.tb_lasti, text)
        return [name, code.co_name, trace.tb_lineno - first_line + 1, column, text]


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002 - the names of `__import__`
    locals: Mapping[str, object] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """`__import__` for blocks: of this package `blocks` alone, as the reader has it."""
    if name.partition(".")[0] == _OURS and not (
        name == _OURS and fromlist and set(fromlist) <= set(_IMPORTABLE)
    ):
        raise ImportError(f"a block imports 'blocks' of {_OURS} and nothing else (MAML317)")
    return builtins.__import__(name, globals, locals, fromlist or (), level)


def _column(code: CodeType, instruction: int, text: str) -> int | None:
    """1-based column in code points; the compiler counts UTF-8 bytes."""
    positions = list(code.co_positions())
    index = instruction // 2
    if not 0 <= index < len(positions) or (offset := positions[index][2]) is None:
        return None
    return len(text.encode("utf-8", "replace")[:offset].decode("utf-8", "ignore")) + 1


def message(error: BaseException) -> str:
    """What an exception says; its own code may fail at that."""
    try:
        text = str(error)
    except Exception as failure:  # noqa: BLE001 - the stranger's code, any exception may come
        text = f"<message not available: {type(failure).__name__}>"
    return text[:_MAX_MESSAGE].encode("utf-8", "backslashreplace").decode()
