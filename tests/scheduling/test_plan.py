from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chimera_pipelines.errors import DocumentError, GraphError
from chimera_pipelines.maml.reader import read_text
from chimera_pipelines.scheduling.plan import Plan, compile_plan, load_plan, read_plan

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
Test.

## Dependencies
```yaml
kernels:
"""

CODE = """```

## Code_Blocks
```python {#k}
def run(x=0):
    return {"y": 1}
```
"""
SCHEMA = """
## Output_Schema
```json
{"type": "object", "properties": {"y": {"type": "number"}}}
```
"""


def _text(*kernels: str, end: str = "") -> str:
    return FRONT + "".join(f"  {kernel}\n" for kernel in kernels) + CODE + end


def _plan(*kernels: str, end: str = "") -> Plan:
    return compile_plan(read_text(_text(*kernels, end=end).encode(), "a.maml.md"))


def test_levels_and_kernels_are_in_topological_order() -> None:
    plan = _plan("c: {block: k, inputs: {x: $a.y}}", "a: {block: k}", "b: {block: k, needs: [c]}")
    assert plan.levels == (("a",), ("c",), ("b",))
    assert [kernel.name for kernel in plan.kernels] == ["a", "c", "b"]
    assert plan.kernel("c").level == 1
    with pytest.raises(KeyError):
        plan.kernel("d")


def test_the_unnamed_output_schema_is_of_the_one_final_kernel() -> None:
    plan = _plan("a: {block: k}", "b: {block: k, inputs: {x: $a.y}}", end=SCHEMA)
    assert plan.finals == ("b",)
    assert plan.kernel("a").output_schema is None
    assert plan.kernel("b").output_schema is not None


def test_a_stored_plan_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.maml.md"
    path.write_text(_text("a: {block: k}", "b: {block: k, inputs: {x: $a.y}}"))
    plan = load_plan(path, tmp_path / "plans")
    stored = read_plan(plan.digest, tmp_path / "plans")
    assert stored == plan
    file = tmp_path / "plans" / f"{plan.digest.removeprefix('sha256:')}.json"
    file.write_text(file.read_text().replace('"b"', '"c"'))
    with pytest.raises(ValueError, match="has digest"):
        read_plan(plan.digest, tmp_path / "plans")


def test_documents_with_errors_do_not_compile() -> None:
    with pytest.raises(GraphError, match="cycle: a -> b"):
        _plan("a: {block: k, needs: [b]}", "b: {block: k, needs: [a]}")
    with pytest.raises(DocumentError, match=r"\(and \d+ more\)"):
        compile_plan(read_text(b"---\n---\n", "a.maml.md"))


def test_ten_thousand_kernels_in_a_row_compile_without_torch(tmp_path: Path) -> None:
    """What grew with the square of the number of kernels took minutes here; this takes seconds."""
    rows = ["k0: {block: k}", *(f"k{i}: {{block: k, needs: [k{i - 1}]}}" for i in range(1, 10_000))]
    (tmp_path / "a.maml.md").write_text(_text(*rows))
    code = (
        "import sys; from pathlib import Path\n"
        "from chimera_pipelines.scheduling.plan import load_plan\n"
        "print(len(load_plan(Path(sys.argv[1])).levels), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.maml.md")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["10000", "False"]


def test_what_a_plan_cannot_print_is_the_largest_integer_that_it_can() -> None:
    text = (
        _text("wide: {block: q}")
        + """```qiskit {#q}
from qiskit import QuantumCircuit


def circuit():
    qc = QuantumCircuit(60)
    qc.measure_all()
    return qc
```
"""
    )
    text = text.replace("permissions:", "requires: {resources: [qiskit]}\npermissions:")
    plan = compile_plan(read_text(text.encode(), "a.maml.md"))
    assert plan.kernel("wide").bytes == 2**53 - 1
    assert plan.digest.startswith("sha256:")
