"""`chimera metrics`: counters of the ledger and gauges of the heads, for Prometheus."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chimera_pipelines.cli import options
from chimera_pipelines.cli.terminal import Terminal, opened
from chimera_pipelines.errors import ChimeraError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chimera_pipelines.gateway.metrics import HeadReading
    from chimera_pipelines.ledger.counts import Counting
    from chimera_pipelines.ledger.ledger import Ledger
    from chimera_pipelines.settings import Settings

_LOG = logging.getLogger(__name__)
# Less than the 10 s that Prometheus gives a scrape.
AGENT_S = 3.0
EXAMPLE = options.example("chimera metrics --port 9464", "curl http://127.0.0.1:9464/metrics")


def metrics(
    *,
    host: Annotated[str, typer.Option("--host", help="Address it listens on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = 9464,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Serve /metrics for Prometheus, until Ctrl-C or SIGTERM.

    Counters come from the ledger, gauges from the heads. While one of them is away the other
    is not wrong: without heads chimera_head_up is 0, without a ledger a scrape gets 503.
    """
    with opened(json=as_json, quiet=quiet, verbose=verbose) as terminal:
        from chimera_pipelines.gateway.metrics import ChimeraCollector
        from chimera_pipelines.gateway.metrics_server import MetricsServer
        from chimera_pipelines.ledger.counts import Counting
        from chimera_pipelines.settings import settings

        counting, heads = Counting(settings().ledger), _Heads(settings())
        server = MetricsServer(ChimeraCollector(counting.now, heads.now), host=host, port=port)
        with _asked_to_stop() as stopped:
            _count_first(terminal, counting)
            with server:
                if terminal.json:
                    terminal.emit({"schema": "chimera.metrics/1", "url": server.url})
                terminal.note(server.url)
                stopped.wait()
        counting.close()
        heads.close()


def _count_first(terminal: Terminal, counting: Counting) -> None:
    """Read the ledger once; a long one takes longer than a scrape may."""
    try:
        counting.now()
    except SettingsError as error:
        terminal.warn(f"{error}; scrapes get 503 until then")


class _Heads:
    """The heads at each scrape. The ledger is opened at the first: it must be there by then."""

    def __init__(self, now: Settings) -> None:
        self._settings = now
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None

    def now(self) -> Sequence[HeadReading]:
        """As they are."""
        from chimera_pipelines.gateway.head_readings import head_readings
        from chimera_pipelines.ledger.ledger import Ledger

        with self._lock:
            self._ledger = self._ledger or Ledger(self._settings.ledger)
            return head_readings(_rows(self._settings), self._ledger)

    def close(self) -> None:
        """Close the ledger."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()


def _rows(now: Settings) -> dict[str, dict[str, Any]]:
    """The heads that an agent has, by name; none when it is not to be reached."""
    from chimera_pipelines.heads import warm

    try:
        return {row["head"]: row for row in warm.status(now, timeout_s=AGENT_S)}
    except (ChimeraError, OSError, EOFError) as error:
        _LOG.warning("heads count as down: %s", error)
        return {}


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopped.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
