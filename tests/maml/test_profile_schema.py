from __future__ import annotations

from chimera_pipelines.maml.profile_schema import findings, load_schema


def test_schemas_are_those_that_are_published():
    assert load_schema("front-matter")["required"][0] == "maml_version"
    assert "kernels" in load_schema("dependencies")["properties"]


def test_findings_name_what_they_are_about():
    found = {f.keyword: f for f in findings("front-matter", {"id": 5, "x": 1, "x-a": 1})}
    assert found["type"].path == ("id",)
    assert found["additionalProperties"].names == ("x",)
    assert "profile" in found["required"].names
    assert "origin" in found["required"].known


def test_patterns_end_at_the_very_end():
    assert any(
        f.keyword == "pattern" for f in findings("front-matter", {"maml_version": "1.0.0\n"})
    )
    assert any(f.names == ("x-a\n",) for f in findings("front-matter", {"x-a\n": 1}))


def test_long_values_do_not_make_long_messages():
    (found,) = [f for f in findings("front-matter", {"encryption": "x" * 9999}) if f.path]
    assert len(found.message) < 300
