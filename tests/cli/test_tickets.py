from __future__ import annotations

import json
from pathlib import Path

SIGNED = Path(__file__).parents[1] / "vectors" / "examples" / "signed"
DOCUMENT = SIGNED / "h2_vqe.maml.md"


def test_list(chimera):
    lines = chimera("tickets", "list", DOCUMENT).out.splitlines()
    assert lines[0].split() == ["entry", "action", "time", "kernel", "status", "head", "run"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["1", "GRANT"],
        ["2", "TICKET"],
        ["3", "TICKET"],
        ["4", "TICKET"],
    ]


def test_list_json_shape(chimera):
    shown = chimera("tickets", "list", DOCUMENT, "--json").json
    assert set(shown) == {"schema", "path", "document", "tickets"}
    assert shown["schema"] == "chimera.tickets/1"
    assert set(shown["tickets"][0]) == {"entry", "line", "action", "timestamp", "fields"}


def test_show_is_the_statement_that_is_signed(chimera):
    called = chimera("tickets", "show", DOCUMENT, "2", "--json")
    assert called.json["schema"] == "chimera.ticket/1"
    statement = called.json["statement"]
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicate"]["seq"] == 2
    assert json.loads(chimera("tickets", "show", DOCUMENT, "2").out) == statement


def test_show_of_a_note_or_of_nothing_is_usage(chimera):
    for number in ("0", "99"):
        called = chimera("tickets", "show", DOCUMENT, number, "--json")
        assert called.code == 2
        assert called.json["error"]["code"] == "CHIM206"


def test_export_is_the_ordinary_envelope(chimera, tmp_path):
    out = tmp_path / "all.jsonl"
    called = chimera("tickets", "export", DOCUMENT, "-o", out)
    assert called.code == 0
    assert called.out == ""
    lines = out.read_text().splitlines()
    assert len(lines) == 4
    assert json.loads(lines[1]) == json.loads((SIGNED / "ticket_2.dsse.json").read_text())
    assert chimera("tickets", "export", DOCUMENT).out.splitlines() == lines
    shown = chimera("tickets", "export", DOCUMENT, "--json").json
    assert shown["schema"] == "chimera.envelopes/1"
    assert shown["envelopes"] == [json.loads(line) for line in lines]


def test_export_to_nowhere_is_usage(chimera, tmp_path):
    assert chimera("tickets", "export", DOCUMENT, "-o", tmp_path / "no" / "where").code == 2
