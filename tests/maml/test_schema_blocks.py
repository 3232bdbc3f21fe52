from __future__ import annotations

import pytest

from chimera_pipelines.maml.diagnostics import Span
from chimera_pipelines.maml.reader import read_text
from chimera_pipelines.maml.schema_blocks import read_schemas
from chimera_pipelines.maml.sections import read_body
from tests.maml.documents import CODE, SCHEMA, codes, document

HEADING = Span.at(1, 1)


def schemas(text):
    return read_schemas([HEADING], read_body("## Output_Schema\n" + text, 1).fences)


def fence(source, info="json {#k}"):
    return f"```{info}\n{source}\n```\n"


def test_json_and_yaml():
    found = schemas(fence('{"type": "object"}') + fence("type: object", "yaml {#m}"))
    assert not found.diagnostics
    assert {name: s.schema for name, s in found.named.items()} == {
        "k": {"type": "object"}, "m": {"type": "object"}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected", "schema"),
    [
        ("prose\n", [("MAML501", 1, 1)], None),
        (fence("{}", "text"), [("MAML501", 1, 1)], None),
        (fence("{,}"), [("MAML501", 3, 2)], True),
        (fence("a: &x 1", "yaml {#k}"), [("MAML501", 3, 4)], True),
        (fence("type: object\ntype: object", "yaml {#k}"), [("MAML501", 4, 1)], True),
        (fence("[]"), [("MAML502", 3, 1)], True),
        (fence('{"type": "float"}'), [("MAML502", 3, 10)], {}),
        (
            fence('{"properties": {"x": {"type": "float"}}, "$ref": "http://a.b/c"}'),
            [("MAML502", 3, 31), ("MAML502", 3, 50)],
            {"properties": {"x": {}}},
        ),
        (
            fence('{"properties": {"x": 5}}'),
            [("MAML502", 3, 22)],
            {"properties": {"x": True}},
        ),
        (fence("{}") + fence("{}"), [("MAML302", 5, 1)], {}),
        (fence("{}", "json {#k} x"), [("MAML313", 2, 1)], None),
    ],
)
def test_findings_and_what_is_left_for_the_graph(text, expected, schema):
    found = schemas(text)
    assert codes(found.diagnostics) == expected
    named = found.named.get("k")
    assert (named.schema if named else None) == schema


def test_a_broken_fence_is_not_judged():
    found = schemas("```json {#k}\n{\n```json {#m}\n{}\n```\n")
    assert not found.diagnostics
    assert found.unread == {"k"}


def test_properties_are_those_of_the_documents_own_schema():
    found = schemas(fence('{"properties": {"n": {}}}', "json") + fence("{}"))
    assert found.properties == {"n"}


def outputs(body):
    return codes(read_text(document(body="## Intent\nx\n" + body)).diagnostics)


def test_an_unnamed_output_schema_needs_one_final_kernel():
    two = CODE + '```python {#m}\ndef run():\n    return {"x": 1}\n```\n'
    unnamed = "## Output_Schema\n```json\n{}\n```\n"
    assert outputs(CODE + unnamed) == []
    assert ("MAML313", 22, 1) in outputs(two + unnamed)


def test_an_unnamed_and_a_named_schema_of_one_kernel_are_two():
    assert outputs(CODE + SCHEMA + "```json\n{}\n```\n") == [("MAML302", 21, 1)]
