"""Compiling many documents: text to Plan, and how it grows.

    python -m benchmarks.compile [--documents 250 500 1000] [--kernels 6]

Goal: 1,000 documents in less than 10 s on two cores, time proportional to their number.
"""

from __future__ import annotations

import argparse
import random
import time
import uuid
from pathlib import Path

from benchmarks import report
from chimera_pipelines.maml.reader import read_text
from chimera_pipelines.scheduling.plan import compile_plan

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

def circuit(level):
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

def run({parameters}):
    parts = [{parameters}]
    return {{"value": math.fsum(parts) / {count}, "level": len(parts)}}
```
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
            blocks.append(_CIRCUIT.format(name=name, qubits=chance.randint(2, 12)))
            continue
        before = chance.sample(range(index), min(index, 2))
        inputs = {f"v{i}": f"$k{i}.value" for i in before} or {"v": "0.5"}
        written = ", ".join(f"{key}: {value}" for key, value in inputs.items())
        text += f"  {name}: {{inputs: {{{written}}}}}\n"
        blocks.append(
            _PYTHON.format(name=name, parameters=", ".join(inputs), count=max(len(inputs), 1))
        )
    schemas = "\n".join(_SCHEMA.format(name=f"k{index}", number=number) for index in range(kernels))
    body = "\n".join(blocks)
    return f"{text}```\n\n## Code_Blocks\n\n{body}\n## Output_Schema\n\n{schemas}"


def compile_all(texts: list[bytes]) -> set[str]:
    """Digests of the plans."""
    paths = [f"data/documents/generated_{number}.maml.md" for number in range(len(texts))]
    return {
        compile_plan(read_text(text, path)).digest for text, path in zip(texts, paths, strict=True)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="+", default=[250, 500, 1000])
    parser.add_argument("--kernels", type=int, default=6)
    parser.add_argument("--write", type=Path, help="write one document there and stop")
    options = parser.parse_args()
    if options.write:
        options.write.write_text(document(0, options.kernels))
        return
    # Every document and schema of every row has a text of its own: nothing cached by text helps.
    compile_all([document(-1, options.kernels).encode()])
    rows, first = [], 0
    for count in options.documents:
        texts = [
            document(number, options.kernels).encode() for number in range(first, first + count)
        ]
        first += count
        wall, cpu = time.perf_counter(), time.process_time()
        assert len(compile_all(texts)) == count
        rows.append(
            {
                "documents": count,
                "kernels_each": options.kernels,
                "mean_bytes": sum(map(len, texts)) // count,
                "wall_s": time.perf_counter() - wall,
                "cpu_s": time.process_time() - cpu,
                "cpu_ms_each": (time.process_time() - cpu) * 1000 / count,
            }
        )
    report.publish("compile", rows, packages=("jsonschema", "pyyaml", "markdown-it-py"))


if __name__ == "__main__":
    main()
