from __future__ import annotations

import pytest

from chimera_pipelines.cli.check import Checked, code_of
from chimera_pipelines.errors import UsageError
from chimera_pipelines.maml.diagnostics import Diagnostic, Severity, Span

FOUND = {
    "graph": Diagnostic("MAML405", Severity.ERROR, Span.at(1, 1), "m"),
    "text": Diagnostic("MAML207", Severity.ERROR, Span.at(1, 1), "m"),
    "warning": Diagnostic("MAML503", Severity.WARNING, Span.at(1, 1), "m"),
    "graph warning": Diagnostic("MAML417", Severity.WARNING, Span.at(1, 1), "m"),
    "info": Diagnostic("MAML415", Severity.INFO, Span.at(1, 1), "m"),
}


def checked(*kinds: str) -> Checked:
    if kinds == ("unreadable",):
        return Checked("a", "", (), UsageError("CHIM202", "m"))
    return Checked("a", "", tuple(FOUND[kind] for kind in kinds))


@pytest.mark.parametrize(
    ("files", "strict", "code"),
    [
        ([()], False, 0),
        ([("warning", "info")], False, 0),
        ([("warning", "info")], True, 3),
        ([("graph warning",)], True, 4),
        ([("info",)], True, 0),
        ([("graph",)], False, 4),
        ([("graph", "warning")], False, 4),
        ([("graph", "text")], False, 3),
        ([("graph",), ("text",)], False, 3),
        ([("graph",), ("text",), ("unreadable",)], False, 2),
        ([("unreadable",), ()], False, 2),
    ],
)
def test_the_exit_code_over_files(files, strict, code):
    assert code_of([checked(*kinds) for kinds in files], strict=strict) == code


def test_json_shape(chimera, chain, cycle):
    called = chimera("check", "--json", chain, cycle)
    assert called.code == 4
    shown = called.json
    assert set(shown) == {"schema", "errors", "warnings", "files"}
    assert shown["schema"] == "chimera.check/1"
    assert [file["path"] for file in shown["files"]] == [str(chain), str(cycle)]
    found = [d for d in shown["files"][1]["diagnostics"] if d["code"] == "MAML405"]
    assert len(found) == 1
    assert set(found[0]) == {
        *("code", "severity", "line", "column", "endLine", "endColumn"),
        *("message", "hint", "fixable"),
    }
    assert shown["errors"] == 1


def test_a_missing_file_is_reported_and_the_others_go_on(chimera, chain, tmp_path):
    called = chimera("check", "--json", tmp_path / "none.maml.md", chain)
    assert called.code == 2
    missing, there = called.json["files"]
    assert missing["error"]["code"] == "CHIM202"
    assert missing["diagnostics"] == []
    assert "error" not in there
    assert "CHIM202" in called.err


def test_a_folder_and_a_binary_file(chimera, tmp_path):
    binary = tmp_path / "binary.maml.md"
    binary.write_bytes(bytes(range(256)))
    called = chimera("check", "--json", tmp_path, binary)
    assert called.code == 2
    assert called.json["files"][1]["diagnostics"][0]["code"] == "MAML101"


def test_text_has_place_source_and_caret(chimera, cycle):
    called = chimera("check", cycle)
    assert called.code == 4
    line = next(n for n, text in enumerate(cycle.read_text().split("\n"), 1) if "first:" in text)
    assert f"{cycle}:{line}:3: error   MAML405 " in called.out
    assert "   | ^^^^^" not in called.out.splitlines()[0]
    assert "^^^^^" in called.out
    assert "1 document, 1 errors" in called.out


def test_quiet_has_no_summary(chimera, chain):
    assert "1 document" not in chimera("check", "--quiet", chain).out


def test_strict(chimera, chain):
    assert chimera("check", chain).code == 0
    assert chimera("check", "--strict", chain).code == 3


def test_sarif_is_the_only_output(chimera, cycle):
    called = chimera("check", "--sarif", cycle)
    assert called.code == 4
    rules = [result["ruleId"] for result in called.json["runs"][0]["results"]]
    assert "MAML405" in rules


def test_json_and_sarif_exclude_each_other(chimera, chain):
    assert chimera("check", "--json", "--sarif", chain).code == 2
