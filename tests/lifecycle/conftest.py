"""A `CHIMERA_HOME` of its own for each test, and documents written into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.maml.reader import read_file
from chimera_pipelines.scheduling.plan import Plan, compile_plan
from chimera_pipelines.settings import Settings

FRONT = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
requires: {resources: [qiskit, pytorch]}
permissions: {execute: ["gateway://local/default"], read: ["dataset://lab/**", "document://other"]}
---
## Intent
Test.

"""

Compiler = Callable[..., Plan]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def services(home: Path) -> Iterator[Services]:
    with Services(Settings(home=home)) as found:
        yield found


@pytest.fixture
def compiled(home: Path) -> Compiler:
    """Write a document of these sections into the home and compile it."""

    def write(body: str, *, name: str = "doc", front: str = FRONT) -> Plan:
        path = home / "documents" / f"{name}.maml.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(front + body, "utf-8")
        return compile_plan(read_file(path))

    return write
