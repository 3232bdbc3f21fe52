"""The HTTP server of `chimera metrics`: `/metrics` for Prometheus, nothing else.

A scrape that cannot be answered is a 503 with the coded error as text: Prometheus then has `up` 0
for us, and never a zero that is none.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from chimera_pipelines.errors import ChimeraError, UsageError

_LOG = logging.getLogger(__name__)
# A client that sends its request slower than this is hung up on.
REQUEST_S = 10.0


class MetricsServer:
    """Serves a collector over HTTP, from threads of its own.

    Args:
        collector: what is collected at each scrape.
        host: address to listen on.
        port: 0 takes a free one.

    Raises:
        UsageError: CHIM240, nothing can listen there.
    """

    def __init__(self, collector: Collector, *, host: str, port: int) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        handler = type("_Handler", (_Metrics,), {"registry": registry})
        try:
            self._server = _Server((host, port), handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                "CHIM240",
                f"cannot listen on '{host}:{port}': {reason.lower()}",
                hint="choose another with --host or --port",
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host, port = str(self._server.server_address[0]), self._server.server_port
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    def start(self) -> None:
        """Answer requests from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and close the socket."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        _LOG.info("connection of %s broke off", client_address, exc_info=True)


class _Metrics(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    timeout = REQUEST_S
    server_version = "chimera"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"metrics are at /metrics\n")
            return
        encode, content = choose_encoder(self.headers.get("Accept", ""))
        status, content, body = _scraped(lambda: encode(self.registry), content)
        self._answer(status, content, body)

    def _answer(self, status: HTTPStatus, content: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in http.server
        _LOG.debug("%s %s", self.address_string(), format % args)


_TEXT = "text/plain; charset=utf-8"


def _scraped(encode: Callable[[], bytes], content: str) -> tuple[HTTPStatus, str, bytes]:
    try:
        return HTTPStatus.OK, content, encode()
    except ChimeraError as error:
        _LOG.warning("a scrape was answered with 503: %s", error)
        return HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, f"{error}\n".encode()
    except Exception:  # noqa: BLE001 - a thread of the server has no other place for it
        _LOG.exception("a scrape failed")
        text = b"CHIM299 internal error; the log of 'chimera metrics' has it\n"
        return HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, text
