"""A `CHIMERA_HOME` of its own for each test, and small documents to put there."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from chimera_pipelines.settings import settings

ROOT = Path(__file__).resolve().parents[2]

FRONT = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:{id}
type: workflow
origin: agent://lab/ana
created_at: "2026-08-01T09:00:00Z"
permissions:
  execute: ["gateway://local/default"]
---
## Intent

Test.

"""

CHAIN = """## Dependencies

```yaml
{head}kernels:
  first:
    inputs: {{start: $input.start}}
  second:
    inputs: {{value: $first.value}}
  third:
    needs: [first]
    inputs: {{value: $second.value}}
```

## Code_Blocks

```python {{#first}}
def run(start):
    return {{"value": start + 1}}
```

```python {{#second}}
def run(value):
{second}
```

```python {{#third}}
def run(value):
    return {{"value": value + 100}}
```

## Input_Schema

```json
{{"type": "object", "properties": {{"start": {{"type": "integer", "default": 1}}}}}}
```

## Output_Schema

```json {{#third}}
{{"type": "object", "properties": {{"value": {{"type": "integer"}}}}, "required": ["value"]}}
```
"""

IDS = [f"0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b{n:02d}" for n in range(10, 30)]


SECOND = '    return {"value": value * 10}'


def chain_text(*, number: int = 0, head: str = "", second: str = SECOND) -> str:
    """A document of three kernels in a row; `head` is yaml in front of `kernels:`."""
    return FRONT.format(id=IDS[number]) + CHAIN.format(head=head, second=second)


@pytest.fixture
def chain() -> Callable[..., str]:
    """Makes the text of a document; see `chain_text`."""
    return chain_text


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`CHIMERA_HOME`, with an empty `documents/`."""
    found = tmp_path / "home"
    (found / "documents").mkdir(parents=True)
    monkeypatch.setenv("CHIMERA_HOME", str(found))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr("chimera_pipelines.defs.project._known", {})
    settings.cache_clear()
    yield found
    settings.cache_clear()


@pytest.fixture
def write(home: Path) -> Callable[[str, str], Path]:
    """Put a text into `documents/` under a name."""

    def put(name: str, text: str) -> Path:
        path = home / "documents" / name
        path.write_text(text, encoding="utf-8")
        return path

    return put


@pytest.fixture
def h2(home: Path) -> Path:
    """The shipped VQE document."""
    source = ROOT / "data/documents/h2_vqe.maml.md"
    return Path(shutil.copy(source, home / "documents"))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance on disk, which other processes can open."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    with dg.instance_for_test(temp_dir=str(folder)) as found:
        yield found
