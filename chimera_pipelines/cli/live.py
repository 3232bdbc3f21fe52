"""The view of a running plan: a moving table on a terminal, one line a phase otherwise.

The runner calls `Watch` from the threads of kernels; both views take that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from chimera_pipelines.cli.terminal import Terminal
from chimera_pipelines.phase import PHASES, Phase

if TYPE_CHECKING:
    from chimera_pipelines.runner import Watch
    from chimera_pipelines.scheduling.plan import Plan


@contextmanager
def watching(terminal: Terminal, plan: Plan, partition: str | None) -> Iterator[Watch]:
    """A watch for one run, drawn on stderr while the context is open."""
    title = plan.slug if partition is None else f"{plan.slug} [{partition}]"
    if not terminal.live:
        yield _lines(terminal, title)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    board = Board(title, [kernel.name for kernel in plan.kernels])
    with Live(get_renderable=board.render, console=console, refresh_per_second=8, transient=True):
        yield board.watch


def _lines(terminal: Terminal, title: str) -> Watch:
    def watch(kernel: str, phase: Phase | None, seconds: float | None) -> None:
        if phase is not None and seconds is not None:
            terminal.note(f"{title}  {kernel}  {phase}  {seconds:.3f} s")

    return watch


class Board:
    """What is known of each kernel's phases; `render` draws it."""

    def __init__(self, title: str, kernels: list[str]) -> None:
        self._title = title
        self._seconds: dict[str, dict[Phase, float | None]] = {name: {} for name in kernels}
        self._ended: set[str] = set()
        self._lock = Lock()

    def watch(self, kernel: str, phase: Phase | None, seconds: float | None) -> None:
        """Take a report of the runner."""
        with self._lock:
            if phase is None:
                self._ended.add(kernel)
            else:
                self._seconds[kernel][phase] = seconds

    def render(self) -> Any:
        """A rich table: a row a kernel, a column a phase."""
        from rich.table import Table

        table = Table(title=self._title, box=None, title_justify="left")
        for head in ("kernel", *PHASES):
            table.add_column(str(head))
        with self._lock:
            for kernel, seen in self._seconds.items():
                cells = [self._cell(seen, phase) for phase in PHASES]
                ended = kernel in self._ended
                table.add_row(kernel, *cells, style="dim" if ended else None)
        return table

    @staticmethod
    def _cell(seen: dict[Phase, float | None], phase: Phase) -> str:
        if phase not in seen:
            return "·"
        seconds = seen[phase]
        return "…" if seconds is None else f"{seconds:.3f} s"
