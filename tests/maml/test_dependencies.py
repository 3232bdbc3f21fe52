from __future__ import annotations

import pytest

from chimera_pipelines.maml.reader import read_text
from tests.maml.kernels import K, Q, graph_document, places


def read(dependencies, code=K, rest=""):
    return read_text(graph_document(dependencies, code, rest).encode()).dependencies


def test_kernels_with_defaults_and_options():
    found = read(
        "defaults: {shots: 5, seed: 1}\nkernels:\n  k: {seed: 2}\n"
        "  m: {block: k, needs: [k], head: []}"
    )
    assert found is not None
    assert found.kernels["k"].options == {"shots": 5, "seed": 2}
    assert found.kernels["m"].options == {"shots": 5, "seed": 1, "head": []}
    assert (found.kernels["m"].block, found.kernels["m"].needs) == ("k", ("k",))
    assert found.kernels["k"].span.column == 3
    assert not found.implicit


def test_references_have_places():
    found = read('kernels:\n  k: {inputs: {a: [1, "$input.x[2]"], b: $$c}}')
    assert found is not None
    (reference,) = found.kernels["k"].references
    assert (reference.root, reference.path, reference.place) == ("input", ("x", 2), ("a", 1))
    assert reference.span.column == 23


def test_without_the_section_blocks_run_in_document_order():
    code = (
        "```python {#a}\ndef run(n, seed, other=1): return {}\n```\n"
        "```qiskit {#b}\ndef circuit(): pass\ndef post(n, counts): pass\n```\n"
    )
    schema = '## Input_Schema\n```json\n{"properties": {"n": {}, "unused": {}, "seed": {}}}\n```\n'
    found = read(None, code, schema)
    assert found is not None
    assert found.implicit
    a, b = found.kernels.values()
    assert (a.needs, b.needs) == ((), ("a",))
    assert a.inputs == b.inputs == {"n": "$input.n"}
    assert a.references[0].place == ("n",)
    assert a.bound_implicitly
    assert places(None, code, schema, without=("MAML503",)) == [("MAML415", "## Code_Bloc")]


@pytest.mark.parametrize(
    ("dependencies", "expected"),
    [
        ("", [("MAML403", "")]),
        ("- a", [("MAML403", "- a")]),
        ("defaults: {}", [("MAML403", "defaults: {}")]),
        ("kernels:\n  k: a: b", [("MAML402", ": b")]),
        ("kernels:\n  k:\n  k:", [("MAML402", "k:")]),
        ("kernels:\n  k: *a", [("MAML402", "*a")]),
        ("kernels:\n  k: 5", [("MAML403", "5")]),
        ("kernels:\n  k: {shotz: 1}", [("MAML403", "shotz: 1}")]),
        ("kernels:\n  k: {shots: '0'}", [("MAML403", "'0'}")]),
        ("schedule: {cron: '* *'}\nkernels:\n  k:", [("MAML420", "'* *'}")]),
        ("schedule: {cron: 0 0 * * 8}\nkernels:\n  k:", [("MAML420", "0 0 * * 8}")]),
        ("schedule: {cron: 5}\nkernels:\n  k:", [("MAML403", "5}")]),
        (
            "schedule: {cron: 0 0 * * 1, timezone: Mars}\nkernels:\n  k:",
            [("MAML403", "Mars}")],
        ),
        ('partitions: {daily: "2026-02-30"}\nkernels:\n  k:', [("MAML403", '"2026-02-30"')]),
        (
            'partitions: {daily: "2026-02-01", timezone: X}\nkernels:\n  k:',
            [("MAML403", "X}")],
        ),
        ("partitions: {dynamic: seed}\nkernels:\n  k:", [("MAML416", "seed}")]),
    ],
)
def test_findings(dependencies, expected):
    assert places(dependencies, rest="## Output_Schema\n```json {#k}\n{}\n```\n") == expected


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("words\n", [("MAML401", "## Dependenc")]),
        ("```json\n{}\n```\n", [("MAML401", "## Dependenc")]),
        (
            "```yaml\nkernels:\n  k:\n```\n```yaml\na\n```\n```yaml\nb\n```\n",
            [("MAML401", "```yaml")] * 2,
        ),
    ],
)
def test_one_yaml_fence(section, expected):
    text = graph_document(None).replace(
        "## Code_Blocks", f"## Dependencies\n{section}\n## Code_Blocks"
    )
    document = read_text(text.encode())
    lines = text.split("\n")
    found = [(d.code, lines[d.span.line - 1][:12]) for d in document.diagnostics]
    assert found == expected
    assert document.dependencies is None
    assert all(d.fixable for d in document.diagnostics)


def drawing(
    lines, dependencies="kernels:\n  k:\n  m: {block: k, needs: [k]}", title="%% generated"
):
    fence = "\n".join(["```mermaid", title, "flowchart LR", *lines, "```"])
    text = graph_document(dependencies).replace("```\n\n## Code", f"```\n{fence}\n\n## Code")
    return [d.code for d in read_text(text.encode()).diagnostics if d.code != "MAML503"]


def test_drawings():
    assert drawing(["  k -.-> m"]) == []
    assert drawing(["  k --> m"]) == ["MAML417"]
    assert drawing(["  k -.-> m", "  old"]) == ["MAML417"]
    assert drawing(["  anything"], title="%% mine") == []


def test_a_drawing_is_not_judged_where_edges_are_unknown():
    unknown = "kernels:\n  k: {needs: [ghost]}"
    assert drawing(["  old"], unknown) == ["MAML404"]


def test_a_refused_option_is_left_out():
    found = read("kernels:\n  k: {shots: 0, seed: 3}\n  q: {embedding: {method: angle}}", K + Q)
    assert found is not None
    assert found.kernels["k"].options == {"seed": 3}
    assert found.kernels["q"].options == {}
    assert ("kernels", "k", "shots") in found.unread
