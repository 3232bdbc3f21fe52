from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chimera_pipelines.lifecycle.services import Services
from tests.lifecycle.conftest import compiled, home, services
from tests.scheduling.stage import Stage, stages

__all__ = ["compiled", "home", "services"]


@pytest.fixture
def stage(services: Services) -> Iterator[Callable[..., Stage]]:
    """Sets a stage of scripted heads for a plan."""
    yield from stages(services)
