from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chimera_pipelines.errors import UsageError
from chimera_pipelines.maml.reader import read_file, read_text
from tests.maml.documents import CODE, SCHEMA, codes, document, front

EXAMPLES = Path(__file__).parent.parent / "vectors" / "examples"
CLEAN = ["h2_vqe", "calibration_watch", "quantum_kernel_classifier", "signed/h2_vqe"]
HEAD = "## Intent\nTest.\n\n"


def said(body, *lines, **changed):
    return codes(read_text(document(*lines, body=body, **changed)).diagnostics)


@pytest.mark.parametrize("name", CLEAN)
def test_examples_are_clean(name):
    found = read_file(EXAMPLES / f"{name}.maml.md")
    assert codes(found.diagnostics) == []
    assert found.dependencies is not None


def test_what_a_document_holds():
    context = "## Context\n```yaml\na: 1\n```\n"
    data = document(body="# T\n" + HEAD + context + CODE + SCHEMA)
    found = read_text(data, "x.maml.md")
    assert (found.path, found.title, found.context) == ("x.maml.md", "T", {"a": 1})
    assert [s.name for s in found.sections] == [
        "Intent", "Context", "Code_Blocks", "Output_Schema"
    ]  # fmt: skip
    assert list(found.blocks) == ["k"]
    assert found.output_schemas["k"].schema == {"type": "object"}
    assert found.body_bytes == data + b"\n"
    assert found.id == "urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10"
    assert not found.unread


@pytest.mark.parametrize(
    ("lines", "code", "expected"),
    [
        (["requires: *a"], "qiskit", "MAML205"),
        (["requires: {resources: *a}"], "qiskit", "MAML205"),
        (["title: a: b"], "qiskit", "MAML203"),
    ],
)
def test_nothing_is_said_that_needs_unread_front_matter(lines, code, expected):
    body = HEAD + CODE.replace("python", code).replace("run()", "circuit()") + SCHEMA
    assert [c[0] for c in said(body, *lines)] == [expected]


def test_nothing_is_said_of_constants_that_were_not_read():
    graph = "## Dependencies\n```yaml\nkernels:\n  k: {inputs: {x: $context.a}}\n```\n"
    body = HEAD + graph + CODE.replace("run()", "run(x)") + SCHEMA
    assert [c[0] for c in said(body)] == ["MAML407"]
    assert [c[0] for c in said(body + "## Context\n```yaml\nb: *a\n```\n")] == ["MAML205"]


def test_nothing_is_said_of_run_inputs_that_were_not_read():
    body = HEAD + CODE.replace("run()", "run(x)") + SCHEMA
    assert [c[0] for c in said(body)] == ["MAML408"]
    assert [c[0] for c in said(body + "## Input_Schema\n```json\n{\n```\n")] == ["MAML501"]


def test_code_in_a_fence_that_ends_elsewhere_is_not_judged():
    body = HEAD + CODE.replace("    return", "```sql {#b}\n    return") + SCHEMA
    assert [c[0] for c in said(body)] == ["MAML306"]


def test_graph_in_a_fence_that_ends_elsewhere_is_not_judged():
    graph = "## Dependencies\n```yaml\nkernels: {k: }\n```sql {#b}\n```\n"
    assert [c[0] for c in said(HEAD + graph + CODE + SCHEMA)] == ["MAML306"]


def test_all_errors_at_once():
    body = HEAD + CODE.replace("return", "retrun") + SCHEMA.replace("object", "dict") + "<!-- x -->"
    found = said(body, "titel: x", id="x")
    assert [c[0] for c in found] == ["MAML210", "MAML208", "MAML314", "MAML502", "MAML105"]


# Text that leans towards what the grammar knows.
PIECES = st.sampled_from(
    ["---\n", "## Intent\n", "## Code_Blocks\n", "## Dependencies\n", "## Output_Schema\n",
     "## Context\n", "## History\n", "```python {#k}\n", "```yaml\n", "```json {#k}\n", "```\n",
     "kernels:\n", "  k: {inputs: {x: $k.y}}\n", "def run(x):\n", "    return {}\n", "{}\n", "- ",
     "a: &a [*a]\n", "profile: kernels/1\n", "id: ...\n", "\r\n", "\u202e", "🐪", "<!--", "-->",
     "permissions: {execute: [1]}\n", "requires: 5\n", "verification: {method: ortac-runtime}\n",
     "quantum_security_flag: true\n", "encryption: aes-2048\n", "    ", "~~~", "\x00"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=8), max_size=40).map("".join))
@example("")
@example("---\n---\n")
@example("---\nnull\n---\n## Code_Blocks\n```python\n")
def test_every_text_is_a_document_with_places_in_it(text):
    found = read_text(text.encode())
    lines = found.text.split("\n")
    for one in found.diagnostics:
        assert one.message
        assert 1 <= one.span.line <= len(lines) + 2
        assert one.span.column >= 1
        assert (one.span.end_line, one.span.end_column) >= (one.span.line, one.span.column)
    assert found.diagnostics


@given(st.binary(max_size=200))
def test_every_file_is_a_document(data):
    assert read_text(data).diagnostics


@given(st.binary(max_size=60))
def test_whatever_stands_in_a_block_is_a_document(data):
    body = HEAD.encode() + b"## Code_Blocks\n```python {#k}\n" + data + b"\n```\n"
    assert read_text(front().encode() + body).diagnostics


def test_files(tmp_path):
    path = tmp_path / "a.maml.md"
    path.write_bytes(document())
    found = read_file(path)
    assert codes(found.diagnostics) == []
    assert found.path == str(path)


def test_what_is_no_file_cannot_be_read(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "none", fifo, Path("/dev/zero"), tmp_path / "loop"):
        with pytest.raises(UsageError) as caught:
            read_file(path)
        assert caught.value.code == "CHIM202"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_cannot_be_read(tmp_path):
    path = tmp_path / "a.maml.md"
    path.write_bytes(document())
    path.chmod(0)
    with pytest.raises(UsageError):
        read_file(path)


@pytest.mark.parametrize("start", [b"", document(), b"\xff\xfe\x00"])
def test_a_huge_file_is_one_diagnostic(tmp_path, start):
    path = tmp_path / "huge.maml.md"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(100_000_000)
    assert codes(read_file(path).diagnostics) == [("MAML104", 1, 1)]


def test_a_huge_history_is_one_diagnostic(tmp_path):
    path = tmp_path / "huge.maml.md"
    with path.open("wb") as file:
        file.write(document() + b"## History\n")
        file.truncate(100_000_000)
    assert codes(read_file(path).diagnostics) == [("MAML104", 1, 1)]
