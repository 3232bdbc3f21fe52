"""`chimera` called in this process, with a home of its own for the tests of one module."""

import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.settings import settings


@dataclass(frozen=True)
class Called:
    """What a call of `chimera` left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`CHIMERA_HOME` of a module's tests."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "documents").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PRINCIPAL", "GATEWAY", "DEVICE", "SANDBOX", "LEDGER_URL"):
            patch.delenv(f"CHIMERA_{name}", raising=False)
        patch.delenv("DAGSTER_HOME", raising=False)
        patch.setenv("CHIMERA_HOME", str(folder))
        patch.setenv("CHIMERA_MEMORY_BYTES", str(1 << 30))
        patch.setenv("NO_COLOR", "1")
        settings.cache_clear()
        yield folder
    settings.cache_clear()


@pytest.fixture(scope="module")
def chimera(home: Path) -> Callable[..., Called]:
    """Call `chimera` with arguments."""
    from chimera_pipelines.cli.main import main

    def call(*arguments: object) -> Called:
        settings.cache_clear()
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
        return Called(code, out.getvalue(), err.getvalue())

    return call
