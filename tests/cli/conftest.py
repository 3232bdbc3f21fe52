"""`chimera` called in this process, with a home of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from chimera_pipelines.cli.main import main
from chimera_pipelines.settings import settings

BELL = Path(__file__).parents[2] / "data" / "documents" / "bell.maml.md"


@dataclass(frozen=True, slots=True)
class Called:
    """What a call of `chimera` left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON object that it must be."""
        return json.loads(self.out)


Chimera: TypeAlias = Callable[..., Called]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`CHIMERA_HOME` for one test."""
    folder = tmp_path / "home"
    (folder / "documents").mkdir(parents=True)
    for name in ("PRINCIPAL", "GATEWAY", "DEVICE", "SANDBOX", "LEDGER_URL", "KEY_PASSPHRASE_FILE"):
        monkeypatch.delenv(f"CHIMERA_{name}", raising=False)
    monkeypatch.setenv("CHIMERA_HOME", str(folder))
    monkeypatch.setenv("NO_COLOR", "1")
    settings.cache_clear()
    yield folder
    settings.cache_clear()


@pytest.fixture
def chimera(home: Path, capsys: pytest.CaptureFixture[str]) -> Chimera:
    """Call `chimera` with arguments; nothing is asked, nothing leaves the process."""

    def call(*arguments: object) -> Called:
        settings.cache_clear()
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


FRONT = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b77
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
permissions: {execute: ["gateway://local/default"]}
---
## Intent
A document for tests.

"""

CHAIN = (
    FRONT
    + """## Dependencies
```yaml
kernels:
  first: {inputs: {x: $input.x}}
  second: {inputs: {y: $first.y}}
  third: {needs: [first]}
```

## Input_Schema
```json
{"type": "object", "properties": {"x": {"type": "number", "default": 2}}}
```

## Code_Blocks
```python {#first}
def run(x):
    print("this line must not reach stdout")
    return {"y": x + 1}
```

```python {#second}
def run(y):
    return {"z": 2 * y}
```

```python {#third}
def run():
    return {"ok": True}
```
"""
)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A document of three python kernels: second reads first, third waits for first."""
    path = tmp_path / "chain.maml.md"
    path.write_text(CHAIN)
    return path


@pytest.fixture
def cycle(tmp_path: Path) -> Path:
    """A document whose only error is a cycle."""
    text = CHAIN.replace("x: $input.x", "x: $second.z").replace("  third: {needs: [first]}\n", "")
    text = text.split("```python {#third}", maxsplit=1)[0].replace(
        '"x": {"type": "number", "default": 2}', ""
    )
    path = tmp_path / "cycle.maml.md"
    path.write_text(text)
    return path
