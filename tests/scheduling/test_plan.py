from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chimera_pipelines.errors import DocumentError, GraphError, UsageError
from chimera_pipelines.scheduling.plan import Plan, load_plan, read_plan, save_plan

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "data/documents").glob("*.maml.md"))
Compiler = Callable[..., Plan]

BODY = """## Dependencies
```yaml
partitions: {static: ["1", "2"]}
kernels:
  last: {inputs: {x: $middle.x}, needs: [first]}
  middle: {inputs: {x: $first.x, p: $partition}, shots: 10}
  first: {head: [HEAD_2]}
```
## Code_Blocks
```python {#first}
def run():
    return {"x": 1}
```
```python {#middle}
def run(x, p, seed):
    return {"x": x}
```
```python {#last}
def run(x, extra=3):
    return {"x": x}
```
"""


def test_levels_heads_and_edges(compiled: Compiler) -> None:
    plan = compiled(BODY)
    assert plan.levels == (("first",), ("middle",), ("last",))
    assert [kernel.level for kernel in plan.kernels] == [0, 1, 2]
    assert plan.kernel("first").heads == ("HEAD_2",)
    assert plan.kernel("last").producers == ("middle", "first")
    assert plan.kernel("last").data_producers == ("middle",)
    assert plan.finals == ("last",)
    block = plan.kernel("last").block
    assert (block.functions["run"], block.required["run"]) == (("x", "extra"), ("x",))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name.split(".")[0])
def test_plans_are_json_and_come_back(path: Path) -> None:
    plan = load_plan(path)
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert again.digest == plan.digest


def test_digest_is_that_of_the_content_and_not_of_the_place(
    compiled: Compiler, tmp_path: Path
) -> None:
    plan = compiled(BODY)
    text = Path(plan.document.path).read_text("utf-8")
    other = tmp_path / "elsewhere" / "doc.maml.md"
    other.parent.mkdir()
    other.write_text(text, "utf-8")
    assert load_plan(other).digest == plan.digest
    other.write_text(text.replace('return {"x": 1}', 'return {"x": 2}'), "utf-8")
    os.utime(other, ns=(1, 1))
    assert load_plan(other).digest != plan.digest


def test_saved_plans_are_read_by_digest(compiled: Compiler, tmp_path: Path) -> None:
    plan = compiled(BODY)
    path = save_plan(plan, tmp_path)
    assert path.name == plan.digest.removeprefix("sha256:") + ".json"
    assert read_plan(plan.digest, tmp_path) == plan
    path.write_text(path.read_text().replace('"slug": "doc"', '"slug": "dot"'))
    with pytest.raises(ValueError, match="has digest"):
        read_plan(plan.digest, tmp_path)


def test_seeds_follow_document_kernel_and_partition(compiled: Compiler) -> None:
    plan = compiled(BODY)
    first = plan.kernel("first")
    seeds = {first.seed(plan.document.id, key) for key in (None, "1", "2")}
    assert len(seeds) == 3


def test_documents_with_errors_are_not_compiled(compiled: Compiler) -> None:
    with pytest.raises(GraphError, match=r"MAML405 cycle: .*\[iteration is 'feedback'"):
        compiled(BODY.replace("first: {head: [HEAD_2]}", "first: {needs: [last]}"))
    with pytest.raises(DocumentError, match="MAML314"):
        compiled(BODY.replace("def run():", "def run("))
    with pytest.raises(DocumentError, match="MAML301"):
        compiled("## Code_Blocks\n")


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CHIM202"):
        load_plan(tmp_path / "none.maml.md")
