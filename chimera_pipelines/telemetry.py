"""OpenTelemetry spans of this project; no exporter is set up here, the process decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

PHASE_SPAN = "chimera.phase"
KERNEL_SPAN = "chimera.kernel"


@contextmanager
def span(name: str, **attributes: str | float) -> Iterator[None]:
    """A span of the tracer `chimera_pipelines`; attribute names get the prefix `chimera.`."""
    tracer = trace.get_tracer("chimera_pipelines")
    with tracer.start_as_current_span(
        name, attributes={f"chimera.{key}": value for key, value in attributes.items()}
    ):
        yield
