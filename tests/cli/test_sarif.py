from __future__ import annotations

from chimera_pipelines.cli import sarif
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span


def test_one_run_with_rules_and_places():
    found = Diagnostic("MAML405", Severity.ERROR, Span(20, 5, 20, 12), "cycle", "break it")
    other = Diagnostic("MAML415", Severity.INFO, Span.at(1, 1), "order")
    log = sarif.report([("a b.maml.md", (found,)), ("/x/c.maml.md", (other, found))])
    run = log["runs"][0]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["MAML405", "MAML415"]
    first, second, _ = run["results"]
    assert first["level"] == "error"
    assert second["level"] == "note"
    assert first["message"]["text"] == "cycle [break it]"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.maml.md"
    assert place["region"] == {"startLine": 20, "startColumn": 5, "endLine": 20, "endColumn": 12}
    uri = second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "file:///x/c.maml.md"
    assert run["results"][second["ruleIndex"]]["ruleId"] == "MAML415"
