from __future__ import annotations

import pytest

from tests.maml.kernels import FRONT, K, places

TAKES = "```python {#k}\ndef run(a=1, b=1): return {}\n```\n"
M = "```python {#m}\ndef run(v=1): return {}\n```\n"


def section(name, kernel, text, language="json"):
    attribute = f" {{#{kernel}}}" if kernel else ""
    return f"## {name}\n```{language}{attribute}\n{text}\n```\n"


def test_references_to_run_inputs():
    run = "kernels:\n  k: {inputs: {a: $input.n, b: $input.o.p}}"
    schema = '{"properties": {"n": {}, "o": {"type": "object", "properties": {"p": {}}}}}'
    assert places(run, TAKES, section("Input_Schema", None, schema)) == []
    assert places(run, TAKES) == [("MAML407", "$input.n, b:"), ("MAML407", "$input.o.p}}")]
    other = section("Input_Schema", "k", "{}")
    assert len(places(run, TAKES, other)) == 2


def test_what_a_broken_schema_declares_is_not_known():
    run = "kernels:\n  k: {inputs: {a: $input.n}}"
    assert places(run, TAKES, "## Input_Schema\nwords\n") == [("MAML501", "## Input_Sch")]
    broken = places(run, TAKES, section("Input_Schema", None, "{"))
    assert [code for code, _ in broken] == ["MAML501"]


@pytest.mark.parametrize(
    ("reference", "declared"),
    [
        ("$context.x", True),
        ("$context.x.y", True),
        ("$context.x.z[1]", True),
        ("$context.x.z[2]", False),
        ("$context.x.z.a", False),
        ("$context.x[0]", False),
        ("$context.w", False),
        ("$context.x.y.a", False),
    ],
)
def test_constants(reference, declared):
    context = "## Context\n```yaml\nx: {y: 1, z: [1, 2]}\n```\n"
    found = places(f'kernels:\n  k: {{inputs: {{a: "{reference}"}}}}', TAKES, context)
    assert [code for code, _ in found] == ([] if declared else ["MAML407"])


def test_constants_that_were_not_read_are_not_missed():
    context = "## Context\n```yaml\nx: a: b\n```\n"
    found = places("kernels:\n  k: {inputs: {a: $context.w}}", TAKES, context)
    assert [code for code, _ in found] == ["MAML203"]


@pytest.mark.parametrize(
    ("reference", "codes"),
    [
        ("$k", []),
        ("$k.x", []),
        ("$k.y", ["MAML407"]),
        ("$k[0]", ["MAML407"]),
        ("$k.l[0].a", []),
        ("$k.l[0].b", ["MAML407"]),
    ],
)
def test_outputs(reference, codes):
    schema = (
        '{"type": "object", "properties": {"x": {"type": "integer"}, "l": {"type": "array", '
        '"items": {"type": "object", "properties": {"a": {}}, "additionalProperties": false}}}}'
    )
    run = f'kernels:\n  k:\n  m: {{inputs: {{v: "{reference}"}}}}'
    found = places(run, K + M, section("Output_Schema", "k", schema))
    assert [code for code, _ in found] == codes


def test_an_unnamed_schema_types_the_final_kernel():
    run = "kernels:\n  k:\n  m: {inputs: {v: $k.nothing}}"
    assert places(run, K + M, section("Output_Schema", None, "{}")) == []
    found = places(run, K + M, section("Output_Schema", None, "{}"), without=())
    assert found == [("MAML503", "k:")]


@pytest.mark.parametrize(
    ("produced", "consumed", "meet"),
    [
        ('{"type": "integer"}', '{"type": "number"}', True),
        ('{"type": "integer"}', '{"type": "string"}', False),
        ('{"type": ["null", "string"]}', '{"type": "string"}', True),
        ('{"enum": [1, 2]}', '{"enum": [3]}', False),
        ("{}", '{"type": "string"}', True),
    ],
)
def test_types_must_meet(produced, consumed, meet):
    run = "kernels:\n  k:\n  m: {inputs: {v: $k.x}}"
    rest = section("Output_Schema", "k", f'{{"properties": {{"x": {produced}}}}}')
    rest += section("Input_Schema", "m", f'{{"properties": {{"v": {consumed}}}}}')
    assert places(run, K + M, rest) == ([] if meet else [("MAML432", "$k.x}}")])


def test_a_partition_key_is_a_string():
    run = "partitions: {static: [a]}\nkernels:\n  m: {inputs: {v: $partition}}"
    numbers = section("Input_Schema", "m", '{"properties": {"v": {"type": "number"}}}')
    assert places(run, M, numbers) == [("MAML432", "$partition}}")]
    assert places(run, M, numbers.replace("number", "string")) == []


def test_a_dataset_of_the_run_becomes_rows():
    run = "kernels:\n  m: {inputs: {v: $input.t}}"
    rest = "## Input_Schema\n```json\n" + '{"properties": {"t": {"type": "string"}}}' + "\n```\n"
    rest += "```json {#m}\n" + '{"properties": {"v": {"type": "array"}}}' + "\n```\n"
    assert places(run, M, rest) == []


def test_kernels_without_a_schema():
    found = places("kernels:\n  k:\n  m: {critical: true}", K + M, without=("MAML414",))
    assert found == [("MAML503", "k:"), ("MAML503", "m: {critical")]


def test_schemas_of_unknown_kernels():
    rest = section("Output_Schema", "ghost", "{}") + section("Input_Schema", "spirit", "{}")
    assert places("kernels:\n  k:", K, rest) == [
        ("MAML404", "```json {#gh"),
        ("MAML404", "```json {#sp"),
    ]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ('{"properties": {"n": {"type": "integer", "default": "3"}}}', "json", ['"3"}}}']),
        ('{"properties": {"n": {"type": "integer", "default": 3}}}', "json", []),
        ("properties:\n  n: {type: integer, default: x}", "yaml", ["x}"]),
    ],
)
def test_defaults(text, language, expected):
    found = places(None, K, section("Input_Schema", None, text, language))
    assert found == [("MAML504", place) for place in expected]


def test_defaults_are_judged_without_kernels_too():
    rest = section("Input_Schema", None, '{"properties": {"n": {"type": "null", "default": 1}}}')
    found = places("defaults: 5", K, rest)
    assert ("MAML504", "1}}}") in found


ORTAC = FRONT.replace("requires:", "verification: {method: ortac-runtime}\nrequires:")
VERDICT = "```ocaml {#v}\nlet run j = j\n```\n"


@pytest.mark.parametrize(
    ("front", "rest", "expected"),
    [
        (FRONT, "", []),
        (ORTAC, "", [("MAML601", "```ocaml {#v")]),
        (ORTAC, "## Verification\n```ocaml {#v}\nval run : t\n(*@ r = run x *)\n```\n", []),
        (
            ORTAC,
            "## Verification\n```ocaml {#v}\nval run : t\n(** @ens *)\n```\n",
            [("MAML602", "```ocaml {#v")],
        ),
        (FRONT, "## Verification\n```ocaml {#v}\nval run : t\n```\n", []),
        (
            FRONT,
            "## Verification\n```ocaml {#ghost}\nval run : t\n```\n",
            [("MAML404", "```ocaml {#g")],
        ),
    ],
)
def test_specifications(front, rest, expected):
    assert places("kernels:\n  v:", VERDICT, rest, front=front) == expected
