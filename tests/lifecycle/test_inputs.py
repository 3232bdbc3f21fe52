from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.digest import digest, sha256
from chimera_pipelines.errors import KernelError, RefusedError
from chimera_pipelines.lifecycle.inputs import Sources, check_inputs, input_digest, resolve
from chimera_pipelines.scheduling.plan import Plan

BODY = """## Context
```yaml
rate: 0.5
```
## Dependencies
```yaml
partitions: {static: ["p"]}
kernels:
  a: {}
  k:
    inputs:
      path: $a.rows[1].x
      whole: $a
      deep: {list: [$context.rate, "$$price", $partition]}
      given: $input.theta
    shots: exact
    seed: 3
    head: [HEAD_3]
    timeout: 9
```
## Code_Blocks
```python {#a}
def run():
    return {"rows": []}
```
```python {#k}
def run(path, whole, deep, given):
    return {"path": path}
```
## Input_Schema
```json
{"type": "object", "properties": {"theta": {}}}
```
```json {#k}
{"type": "object", "properties": {"path": {"type": "integer"}}}
```
"""


def sources(tmp_path: Path, **changed: object) -> Sources:
    found = {
        "outputs": {"a": {"rows": [{"x": 1}, {"x": 2}]}},
        "run_inputs": {"theta": [0.25]},
        "partition": "p",
        "dataset_root": tmp_path,
        "published": lambda slug, kernel: {"slug": slug, "kernel": {"name": kernel}},
    }
    return Sources(**{**found, **changed})  # type: ignore[arg-type]


def test_references_of_every_root(compiled: Callable[..., Plan], tmp_path: Path) -> None:
    plan = compiled(BODY)
    found = resolve(plan.document, plan.kernel("k"), sources(tmp_path))
    assert found.given == found.hashed
    assert found.given == {
        "path": 2,
        "whole": {"rows": [{"x": 1}, {"x": 2}]},
        "deep": {"list": [0.5, "$price", "p"]},
        "given": [0.25],
    }


def test_digest_covers_block_inputs_partition_and_the_options_that_stand_there(
    compiled: Callable[..., Plan],
) -> None:
    kernel = compiled(BODY).kernel("k")
    assert input_digest(kernel, {"x": 1}, seed=3, partition="p") == digest(
        {
            "block": kernel.block.digest,
            "inputs": {"x": 1},
            "options": {"seed": 3, "shots": "exact"},
            "partition": "p",
        }
    )


def test_a_path_that_is_not_there_is_located(compiled: Callable[..., Plan], tmp_path: Path) -> None:
    plan = compiled(BODY)
    with pytest.raises(KernelError, match=r"'\$a.rows\[1\]' does not exist") as caught:
        resolve(plan.document, plan.kernel("k"), sources(tmp_path, outputs={"a": {"rows": []}}))
    assert caught.value.code == "MAML505"
    assert caught.value.where is not None
    line = Path(plan.document.path).read_text().splitlines()[caught.value.where.line - 1]
    assert line[caught.value.where.column - 1 :] == "$a.rows[1].x"


def test_input_schema_of_a_kernel(compiled: Callable[..., Plan]) -> None:
    plan = compiled(BODY)
    check_inputs(plan.document, plan.kernel("k"), {"path": 2})
    with pytest.raises(KernelError, match="MAML505 inputs of 'k'"):
        check_inputs(plan.document, plan.kernel("k"), {"path": "two"})


URIS = """## Dependencies
```yaml
kernels:
  k: {inputs: {x: $input.uri}}
```
## Code_Blocks
```python {#k}
def run(x):
    return {}
```
## Input_Schema
```json
{"type": "object", "properties": {"uri": {"type": "string"}}}
```
"""


def test_a_dataset_is_hashed_by_uri_and_file_and_given_as_rows(
    compiled: Callable[..., Plan], tmp_path: Path
) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "run.csv").write_text("a,b\n1,x\n2,y\n")
    plan = compiled(URIS)
    found = resolve(
        plan.document, plan.kernel("k"), sources(tmp_path, run_inputs={"uri": "dataset://lab/run"})
    )
    assert found.given == {"x": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}
    hashed = found.hashed["x"]
    assert isinstance(hashed, dict)
    assert hashed == {
        "$dataset": "dataset://lab/run",
        "sha256": sha256((tmp_path / "lab" / "run.csv").read_bytes()),
    }


def test_document_references(compiled: Callable[..., Plan], tmp_path: Path) -> None:
    plan = compiled(URIS)
    given = sources(tmp_path, run_inputs={"uri": "document://other#vqe.kernel.name"})
    assert resolve(plan.document, plan.kernel("k"), given).given == {"x": "vqe"}


@pytest.mark.parametrize("uri", ["dataset://secret/a", "document://foreign#k"])
def test_what_read_does_not_permit_is_refused(
    compiled: Callable[..., Plan], tmp_path: Path, uri: str
) -> None:
    plan = compiled(URIS)
    with pytest.raises(RefusedError, match="MAML704"):
        resolve(plan.document, plan.kernel("k"), sources(tmp_path, run_inputs={"uri": uri}))


BLOB = {"$blob": "sha256:" + "1" * 64, "bytes": 4, "media": "application/octet-stream"}
BLOBS = """## Context
```yaml
held: {"$blob": "sha256:11", media: application/octet-stream}
```
## Dependencies
```yaml
kernels:
  a: {}
  k:
    inputs:
      x: WRITTEN
```
## Code_Blocks
```python {#a}
def run():
    return {}
```
```python {#k}
def run(x):
    return {}
```
## Input_Schema
```json
{"type": "object", "properties": {"theta": {}}}
```
"""


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ('{"$blob": "sha256:11", bytes: 4, media: application/octet-stream}', "k:"),
        ('{deep: [{"$blob": "sha256:11"}]}', "k:"),
        ('{"$blob": $a.id, bytes: 4, media: application/octet-stream}', "k:"),
        ("$context.held", "$context.held"),
        ("[$context.held]", "$context.held]"),
        ("$input.theta", "$input.theta"),
        ("$input.theta.deep", "$input.theta.deep"),
        ("dataset://lab/run", "k:"),
    ],
)
def test_a_blob_that_no_kernel_published_is_refused(
    compiled: Callable[..., Plan], tmp_path: Path, written: str, place: str
) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "run.jsonl").write_text('{"a": {"$blob": "sha256:11"}}\n')
    plan = compiled(BLOBS.replace("WRITTEN", written))
    given = sources(
        tmp_path, outputs={"a": {"id": BLOB["$blob"]}}, run_inputs={"theta": {"deep": BLOB}}
    )
    with pytest.raises(KernelError, match="input 'x' of 'k': a \\$blob that no kernel") as caught:
        resolve(plan.document, plan.kernel("k"), given)
    assert caught.value.code == "MAML505"
    assert caught.value.where is not None
    line = Path(plan.document.path).read_text().splitlines()[caught.value.where.line - 1]
    assert line[caught.value.where.column - 1 :].startswith(place)


def test_blobs_of_kernels_pass(compiled: Callable[..., Plan], tmp_path: Path) -> None:
    plan = compiled(BLOBS.replace("WRITTEN", "[$a.x, $a]"))
    found = resolve(plan.document, plan.kernel("k"), sources(tmp_path, outputs={"a": {"x": BLOB}}))
    assert found.given == {"x": [BLOB, {"x": BLOB}]}
    plan = compiled(BLOBS.replace("WRITTEN", '"document://other#vqe"'))
    given = sources(tmp_path, published=lambda *_: {"x": BLOB})
    assert resolve(plan.document, plan.kernel("k"), given).given == {"x": {"x": BLOB}}


@pytest.mark.parametrize(
    "changed",
    [
        {"media": None},
        {"media": "text/html"},
        {"bytes": True},
        {"bytes": -1},
        {"$blob": 3},
        {"$blob": "sha256:11"},
        {"more": 1},
    ],
)
def test_a_blob_has_three_fields(
    compiled: Callable[..., Plan], tmp_path: Path, changed: dict[str, Any]
) -> None:
    plan = compiled(BLOBS.replace("WRITTEN", "$a.x"))
    given = sources(tmp_path, outputs={"a": {"x": [{**BLOB, **changed}]}})
    with pytest.raises(KernelError, match=r"MAML505 input 'x' of 'k': .*\$blob"):
        resolve(plan.document, plan.kernel("k"), given)
