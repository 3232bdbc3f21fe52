from __future__ import annotations

from chimera_pipelines.cli.sweep_table import partition_name, sweep_table
from chimera_pipelines.scheduling.plan import load_plan

from .conftest import FRONT

SWEEP = (
    FRONT
    + """## Dependencies
```yaml
partitions: {static: ["0.735", "1.40"]}
kernels:
  k: {inputs: {bond_length: $partition, more: [$partition]}}
```

## Output_Schema
```json
{"type": "object", "properties": {
  "energy": {"type": "number"}, "exact": {"type": "number"}, "close": {"type": "boolean"}}}
```

## Code_Blocks
```python {#k}
def run(bond_length, more):
    return {"energy": 1.0}
```
"""
)


def _plan(tmp_path, text=SWEEP):
    path = tmp_path / "sweep.maml.md"
    path.write_text(text)
    return load_plan(path, tmp_path / "plans")


def _report(key, status, outputs):
    return {"partition": key, "status": status, "seconds": 1.0, "outputs": outputs}


def test_columns_are_in_the_order_of_the_schema_then_as_found(tmp_path):
    output = {"close": True, "energy": -1.137306, "exact": 1e-9, "list": [1], "more": 7}
    reports = [_report("0.735", "ok", {"k": output}), _report("1.40", "failed", {})]
    assert [line.split() for line in sweep_table(_plan(tmp_path), reports)] == [
        ["bond_length", "energy", "exact", "close", "more", "status", "seconds"],
        ["0.735", "-1.137306", "1.00e-09", "yes", "7", "ok", "1.00"],
        ["1.40", "-", "-", "-", "-", "failed", "1.00"],
    ]


def test_two_names_for_the_partition_are_none(tmp_path):
    text = SWEEP.replace("more: [$partition]", "more: $partition")
    assert partition_name(_plan(tmp_path, text)) == "partition"


def test_the_order_outlives_the_plans_file(tmp_path):
    _plan(tmp_path)
    assert partition_name(_plan(tmp_path)) == "bond_length"
    report = _report("1.40", "ok", {"k": {"close": False, "energy": 1.0}})
    (heads, _) = sweep_table(_plan(tmp_path), [report])
    assert heads.split()[1:3] == ["energy", "close"]
