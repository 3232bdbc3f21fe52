from __future__ import annotations

import pytest

from chimera_pipelines.maml.diagnostics import ordered
from chimera_pipelines.maml.front_matter import read_front_matter
from tests.maml.documents import codes, front


def said(*lines, **changed):
    return codes(ordered(read_front_matter(front(*lines, **changed)).diagnostics))


def test_a_good_one():
    found = read_front_matter(front("tags: [a]", "x-note: {any: [1]}"))
    assert not found.diagnostics
    assert found.closing_line == 11
    assert found.value["type"] == "workflow"
    assert found.places.values["type",].line == 5
    assert not found.unread


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("", "MAML201", "begin with"),
        ("\n---\n---\n", "MAML201", "begin with"),
        ("```yaml\n---\n", "MAML201", "fence"),
        ("--- maml_version: 1 ---\n", "MAML201", "collapsed"),
        ("--- \na: b\n---\n", "MAML201", "begin with"),
        ("---\na: b\n", "MAML202", "add a line"),
        ("---\na: b\n--- \n", "MAML202", "add a line"),
    ],
)
def test_none_or_not_closed(text, code, hint):
    found = read_front_matter(text)
    (problem,) = found.diagnostics
    assert (problem.code, problem.span.line, problem.span.column) == (code, 1, 1)
    assert hint in str(problem.hint)
    assert found.closing_line is None
    assert found.unread == {()}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["title: 5"], [("MAML207", 9, 8)]),
        (["tags: [a, 5]"], [("MAML207", 9, 11)]),
        (["tags: x"], [("MAML207", 9, 7)]),
        (["timeout_seconds: 0"], [("MAML207", 9, 18)]),
        (["timeout_seconds: 1.5"], [("MAML207", 9, 18)]),
        (["encryption: aes-1024"], [("MAML207", 9, 13)]),
        (["requires: {resources: [gpu]}"], [("MAML207", 9, 24)]),
        (["requires: {libs: ['numpy>=1', 'a b']}"], [("MAML207", 9, 31)]),
        (["requires: {python: 'three'}"], [("MAML207", 9, 20)]),
        (["verification: {}"], [("MAML206", 9, 15)]),
        (["verification: {method: none, spec: []}"], [("MAML208", 9, 30)]),
        (["X-a: 1"], [("MAML208", 9, 1)]),
        (["kernels: {}"], [("MAML208", 9, 1)]),
        (["x-a: yes"], [("MAML211", 9, 6)]),
        (["title: {on: 1}"], [("MAML207", 9, 8), ("MAML211", 9, 9)]),
        (["title: a", "title: b"], [("MAML204", 10, 1)]),
        (["5: a"], [("MAML203", 9, 1)]),
        (["title: *a"], [("MAML205", 9, 8)]),
        (["verification: {<<: {method: none}}"], [("MAML205", 9, 16)]),
        (["timeout_seconds: 9007199254740993"], [("MAML203", 9, 18)]),
        (["title: 'a"], [("MAML203", 9, 10)]),
    ],
)
def test_fields(lines, expected):
    assert said(*lines) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"id": "5"}, [("MAML210", 4, 5)]),
        ({"id": "urn:uuid:0D9F6A52-2f43-4c6e-9a53-5d2c1f6a7b10"}, [("MAML210", 4, 5)]),
        ({"id": '"urn:uuid:..."'}, [("MAML209", 4, 5)]),
        ({"id": "urn:uuid:xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"}, [("MAML209", 4, 5)]),
        ({"origin": "agent://[YOUR_ORG]/x"}, [("MAML209", 6, 9)]),
        ({"origin": "ana"}, [("MAML207", 6, 9)]),
        ({"type": "quantum_workflow"}, [("MAML207", 5, 7)]),
        ({"created_at": '"2026-08-01"'}, [("MAML207", 7, 13)]),
        ({"created_at": "2026-08-01"}, [("MAML207", 7, 13), ("MAML211", 7, 13)]),
        ({"created_at": '"2026-08-01T24:00:00Z"'}, [("MAML207", 7, 13)]),
        ({"maml_version": '"2.0"'}, [("MAML207", 2, 15)]),
        ({"maml_version": '"2.0.0\\n"'}, [("MAML207", 2, 15)]),
        ({"profile": '"kernels/1 "'}, [("MAML212", 3, 10)]),
    ],
)
def test_required_fields(changed, expected):
    assert said(**changed) == expected


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ('{execute: ["agent://a/b", "gateway://c/d"], read: ["dataset://x/**"]}', []),
        ("{}", [("MAML701", 8, 14)]),
        ("{execute: []}", [("MAML701", 8, 24)]),
        ("{execute: x}", [("MAML207", 8, 24)]),
        ("[]", [("MAML207", 8, 14)]),
        ('{execute: ["gateway://unset", "gateway://a"]}', [("MAML701", 8, 25)]),
        ('{execute: ["agent://a/*"]}', [("MAML702", 8, 25)]),
        ('{execute: ["agent://a/**/b"]}', [("MAML702", 8, 25), ("MAML703", 8, 25)]),
        ('{execute: ["dataset://a"]}', [("MAML703", 8, 25)]),
        ('{execute: ["agent://[YOUR_ORG]/*"]}', [("MAML209", 8, 25)]),
        ('{execute: ["agent://a"], write: ["a", 5]}', [("MAML703", 8, 47), ("MAML207", 8, 52)]),
        ('{execute: ["agent://a"], admin: []}', [("MAML208", 8, 39)]),
    ],
)
def test_permissions(permissions, expected):
    assert said(permissions=permissions) == expected


def test_missing_fields_stand_at_the_mapping_and_are_told_apart():
    found = read_front_matter(front(without=["id", "origin", "profile", "permissions"]))
    assert codes(ordered(found.diagnostics)) == [
        ("MAML206", 2, 1), ("MAML206", 2, 1), ("MAML206", 2, 1), ("MAML212", 2, 1)
    ]  # fmt: skip


def test_an_empty_one_lacks_all_fields():
    found = read_front_matter("---\n---\n")
    assert {(d.code, d.span.line) for d in found.diagnostics} == {("MAML206", 2), ("MAML212", 2)}


@pytest.mark.parametrize("text", ["- a", "a", "5", "null x"])
def test_one_that_is_no_mapping_is_wrong_as_a_whole(text):
    found = read_front_matter(f"---\n{text}\n---\n")
    assert codes(found.diagnostics) == [("MAML207", 2, 1)]
    assert found.unread == {()}


def test_unknown_fields_get_the_nearest_name():
    found = read_front_matter(front("permision: 1"))
    (problem,) = found.diagnostics
    assert problem.hint == "did you mean 'permissions'?"


def test_nothing_follows_from_what_was_not_read():
    assert said("quantum_security_flag: *a") == [("MAML205", 9, 24)]
    assert said(permissions="!!map {}") == [("MAML205", 8, 14)]
    assert read_front_matter(front("a: b: c", without=["id"])).unread == {()}
    assert [c[0] for c in said("a: b: c", without=["id"])] == ["MAML203"]


@pytest.mark.parametrize("name", ["kernels", "defaults", "partitions", "schedule", "trigger"])
def test_what_belongs_in_dependencies_says_so(name):
    found = read_front_matter(f"---\n{name}: {{}}\n---\n").diagnostics
    assert [d.hint for d in found if d.code == "MAML208"] == [
        f"'{name}' belongs in the yaml of ## Dependencies"
    ]
