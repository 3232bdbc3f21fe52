"""Documents made for the benchmarks: each valid, typed, with an id and a text of its own."""

from __future__ import annotations

import random
import uuid

_FRONT = """---
maml_version: "2.0.0"
profile: kernels/1
id: urn:uuid:{id}
type: workflow
title: Generated document {number}
origin: agent://benchmark/generator
created_at: "2026-08-01T09:00:00Z"
requires: {{resources: [qiskit, pytorch]}}
permissions: {{execute: ["gateway://local/default"]}}
---
# Generated document {number}

## Intent

Measure how long it takes to compile this.

## Dependencies

```yaml
kernels:
"""

_CIRCUIT = """```qiskit {{#{name}}}
from qiskit import QuantumCircuit

def circuit(level):  # document {number}
    qc = QuantumCircuit({qubits})
    qc.h(0)
    for qubit in range({qubits} - 1):
        qc.cx(qubit, qubit + 1)
    qc.rz(level * 0.25, 0)
    qc.measure_all()
    return qc

def post(counts, level):
    total = sum(counts.values())
    even = sum(n for key, n in counts.items() if key.count("1") % 2 == 0)
    return {{"value": even / total, "level": level + 1}}
```
"""

_PYTHON = """```python {{#{name}}}
import math

def run({parameters}):  # document {number}
    parts = [{parameters}]
    return {{"value": math.fsum(parts) / {count}, "level": len(parts)}}
```
"""

TRIVIAL = """def run(value):
    return {"value": value + 1}
"""

_SCHEMA = """```json {{#{name}}}
{{"type": "object", "title": "{name} of document {number}", "required": ["value", "level"],
 "properties": {{"value": {{"type": "number"}}, "level": {{"type": "integer", "minimum": 0}}}}}}
```
"""


def document(number: int, kernels: int) -> str:
    """A document of its own: a random layered graph of python and qiskit kernels, all typed."""
    chance = random.Random(number)
    identity = uuid.UUID(int=chance.getrandbits(128), version=4)
    text = _FRONT.format(id=identity, number=number)
    blocks = []
    for index in range(kernels):
        name = f"k{index}"
        if index % 3 == 1:
            text += f"  {name}: {{inputs: {{level: $k{index - 1}.level}}, shots: 1024}}\n"
            blocks.append(_CIRCUIT.format(name=name, number=number, qubits=chance.randint(2, 12)))
            continue
        before = chance.sample(range(index), min(index, 2))
        inputs = {f"v{i}": f"$k{i}.value" for i in before} or {"v": "0.5"}
        written = ", ".join(f"{key}: {value}" for key, value in inputs.items())
        text += f"  {name}: {{inputs: {{{written}}}}}\n"
        blocks.append(
            _PYTHON.format(
                name=name, number=number, parameters=", ".join(inputs), count=max(len(inputs), 1)
            )
        )
    schemas = "\n".join(_SCHEMA.format(name=f"k{index}", number=number) for index in range(kernels))
    body = "\n".join(blocks)
    return f"{text}```\n\n## Code_Blocks\n\n{body}\n## Output_Schema\n\n{schemas}"


def trivial(kernels: int, *, in_a_row: bool = False) -> str:
    """A document of python kernels that do next to nothing, side by side or each after another.

    Its blocks are `TRIVIAL` under the names k0, k1, …
    """
    identity = uuid.UUID(int=random.Random(f"{kernels} {in_a_row}").getrandbits(128), version=4)
    text = _FRONT.format(id=identity, number=kernels)
    for index in range(kernels):
        value = f"$k{index - 1}.value" if in_a_row and index else str(index)
        text += f"  k{index}: {{inputs: {{value: {value}}}}}\n"
    blocks = "\n".join(f"```python {{#k{index}}}\n{TRIVIAL}```\n" for index in range(kernels))
    return f"{text}```\n\n## Code_Blocks\n\n{blocks}"
