"""Everything on PostgreSQL: Dagster's storage and our ledger, real heads, a server that crashes."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.postgresql import PASSWORD, Server

ROOT = Path(__file__).resolve().parents[2]
CHIMERA = [sys.executable, "-c", "from chimera_pipelines.cli.main import run; run()"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dagster")]

SLOW = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b31
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
permissions:
  execute: ["gateway://local/default"]
---
## Intent

Four kernels in a row, so that a server can be lost between them.

## Dependencies

```yaml
kernels:
  first: {inputs: {n: 1}}
  second: {inputs: {n: $first.n}}
  third: {inputs: {n: $second.n}}
  fourth: {inputs: {n: $third.n}}
```

## Code_Blocks

"""
BLOCK = """```python {{#{name}}}
import time

def run(n):
    time.sleep(1.0)
    return {{"n": n + 1}}
```

"""
NAMES = ("first", "second", "third", "fourth")


class Project:
    """A home, a Dagster home and two databases."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.home, self.dagster = folder / "home", folder / "dagster"
        self.ledger, self.storage = server.create(), server.create()
        (self.home / "documents").mkdir(parents=True)
        self.dagster.mkdir()
        shutil.copy(ROOT / "dagster.yaml", self.dagster)
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("CHIMERA_", "DAGSTER"))}
        self.environment = {
            **plain,
            "CHIMERA_HOME": str(self.home),
            "CHIMERA_LEDGER_URL": self.ledger,
            "CHIMERA_DAGSTER_URL": self.storage,
            "DAGSTER_HOME": str(self.dagster),
            "NO_COLOR": "1",
        }

    def call(self, *command: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end."""
        return subprocess.run(
            command,
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def chimera(self, *arguments: str | Path) -> dict[str, Any]:
        """Run a verb, which must end well; its JSON."""
        done = self.call(*CHIMERA, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def project(tmp_path: Path, mortal_server: Server) -> Project:
    return Project(tmp_path, mortal_server)


@pytest.fixture
def query(project: Project, mortal_server: Server) -> Callable[[str, str], list[str]]:
    """Ask one of the two databases."""

    def ask(url: str, statement: str) -> list[str]:
        return mortal_server.sql(url.rpartition("/")[2], statement).splitlines()

    return ask


def test_a_dagster_run_on_heads(project: Project, query: Callable[[str, str], list[str]]) -> None:
    document = shutil.copy(ROOT / "data/documents/bell.maml.md", project.home / "documents")
    listed = project.call(
        *(sys.executable, "-m", "dagster", "job", "list", "-m", "chimera_pipelines.definitions")
    )
    (job,) = (
        word for line in listed.stdout.splitlines() for word in line.split() if "maml_" in word
    )
    done = project.call(
        *(sys.executable, "-m", "dagster", "job", "execute"),
        *("-m", "chimera_pipelines.definitions", "-j", job),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert query(project.storage, "SELECT status FROM runs") == ["SUCCESS"]
    steps = query(
        project.storage,
        "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'STEP_SUCCESS'",
    )
    assert int(steps[0]) >= 10
    assert query(project.ledger, "SELECT status FROM tickets WHERE action = 'TICKET'") == ["ok"] * 2
    assert int(query(project.ledger, "SELECT count(*) FROM phase_seconds")[0]) == 2
    assert not (project.home / "ledger.sqlite").exists()
    assert not (project.dagster / "history").exists()
    found = project.chimera("verify", document, "--against-dagster")
    assert found["ok"]
    assert found["files"][0]["dagster"]["materializations"] == 2
    for file in (*project.home.rglob("*"), *project.dagster.rglob("*")):
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("away_s", [1.0, None])
def test_a_run_outlives_the_ledgers_server(
    project: Project,
    mortal_server: Server,
    query: Callable[[str, str], list[str]],
    away_s: float | None,
) -> None:
    document = project.home / "documents/slow.maml.md"
    document.write_text(SLOW + "".join(BLOCK.format(name=name) for name in NAMES))
    lost = threading.Event()

    def lose() -> None:
        while not query(project.ledger, "SELECT 1 FROM tickets WHERE kernel = 'first'"):
            time.sleep(0.1)
        mortal_server.stop()
        lost.set()
        if away_s is not None:
            time.sleep(away_s)
            mortal_server.start()

    project.chimera("run", shutil.copy(ROOT / "data/documents/bell.maml.md", project.home))
    loser = threading.Thread(target=lose)
    loser.start()
    found = project.chimera("run", document)
    loser.join()
    assert lost.is_set()
    assert [kernel["status"] for kernel in found["kernels"]] == ["ok"] * 4
    assert found["outputs"] == {"fourth": {"n": 5}}
    if away_s is None:
        refused = project.call(*CHIMERA, "run", document)
        assert refused.returncode == 2
        assert "CHIM226" in refused.stderr
        assert PASSWORD not in refused.stderr
        mortal_server.start()
    assert project.chimera("verify", document)["files"][0]["tickets"] == 4
    again = project.chimera("run", document)
    # Of tickets that were read back from a History nobody knows the kind of head.
    status = "reused" if away_s is not None else "ok"
    assert [kernel["status"] for kernel in again["kernels"]] == ["reused", *[status] * 3]
    kernels = query(project.ledger, "SELECT kernel FROM tickets WHERE status = 'ok' ORDER BY seq")
    assert set(NAMES) <= set(kernels)
