from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml import history
from chimera_pipelines.maml.history_bytes import HistoryBytes

VECTORS = Path(__file__).parents[1] / "vectors"
DIGESTS = json.loads((VECTORS / "digests.json").read_bytes())
SIGNED = (VECTORS / "examples" / "signed" / "h2_vqe.maml.md").read_bytes()
NOTE = b"- 2026-08-01T09:00:00Z: [NOTE] fine\n"


@pytest.mark.parametrize("case", DIGESTS["doc"], ids=lambda case: case["name"])
def test_doc_digest(case):
    assert history.doc_digest(base64.b64decode(case["base64"])) == case["doc"]


@pytest.mark.parametrize("case", DIGESTS["doc"], ids=lambda case: case["name"])
def test_doc_is_the_same_once_the_writer_has_added_history(case):
    data = base64.b64decode(case["base64"])
    assert history.doc_digest(HistoryBytes.read(data).with_entries([NOTE]).raw) == case["doc"]


@given(st.binary(max_size=60).filter(lambda data: b"\r" not in data))
def test_writing_never_changes_the_digest_or_loses_a_byte(data):
    written = HistoryBytes.read(data).with_entries([NOTE]).raw
    assert history.doc_digest(written) == history.doc_digest(data) or not data
    assert written.startswith(data.rstrip(b"\r\n"))
    assert written.endswith(NOTE)


@given(st.binary(max_size=200))
def test_every_byte_of_a_tail_is_in_one_entry(data):
    entries = history.parse_entries(data)
    assert b"".join(entry.raw for entry in entries) == data
    assert [entry.index for entry in entries] == list(range(len(entries)))


def test_the_signed_example_reads():
    entries = history.parse_history(SIGNED)
    assert [entry.action for entry in entries] == ["CREATE", "GRANT", "TICKET", "TICKET", "TICKET"]
    assert [entry.line for entry in entries] == [254, 255, 257, 259, 261]
    assert not any(entry.problem for entry in entries)
    assert entries[2].fields["kernel"] == "integrals"


def tail(text: str) -> list[tuple[int, str | None]]:
    data = b"## Intent\n\n## History\n" + text.encode()
    return [(entry.line, entry.problem) for entry in history.parse_history(data)]


def test_blank_lines_above_and_below_all_entries_are_no_entries():
    note = NOTE.decode()
    assert tail("") == tail("\n") == tail("\n\n\n") == []
    assert tail(note) == [(4, None)]
    assert tail("\n" + note + "\n\n") == [(5, None)]


def test_blank_lines_elsewhere_are_entries_of_their_own():
    note = NOTE.decode()
    lines = [line for line, problem in tail("\n\n" + note + "\n" + note) if problem]
    assert lines == [5, 7]


def test_diagnostics_name_malformed_entries_and_times_that_run_back():
    text = b"- 2026-08-01T09:00:00Z: [A] a\nx\n- 2026-07-01T09:00:00Z: [B] b\n"
    found = history.history_diagnostics(history.parse_entries(text, 10))
    assert [(d.code, d.span.line, str(d.severity)) for d in found] == [
        ("MAML801", 11, "error"),
        ("MAML807", 12, "warning"),
    ]
