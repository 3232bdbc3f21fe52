from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.maml import history, history_entry

SIGNED = Path(__file__).parents[1].joinpath("vectors/examples/signed/h2_vqe.maml.md").read_bytes()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- 2026-08-01T09:00:00Z: [NOTE] fine", "line feed"),
        ("- 2026-08-01T09:00:00Z: [NOTE]\n", "not an entry"),
        ("- 2026-08-01T09:00:00Z: [NOTE]  \n", "no text"),
        ("- 2026-08-01T09:00:00Z: [NOTE] a\rb\n", "U+000D"),
        ("- 2026-08-01T09:00:00Z: [NOTE] a <!-- b\n", "comment"),
        ("- 2026-08-01T09:00:00Z: [NOTE] " + "x" * 2001 + "\n", "2001 characters"),
        ("- 2026-08-01T09:00:00Z: [SEAL] by me\n", "reserved"),
        ("- 2026-08-01T09:00:00Z: [note] x\n", "not an entry"),
        ("- 2026-08-01T09:00:00Z: [_X] x\n", "not an entry"),
        ("- 2026-08-01T09:00:00Z: [" + "A" * 33 + "] x\n", "not an entry"),
        ("- 2026-02-29T09:00:00Z: [NOTE] x\n", "is not a time"),
        ("- 2026-08-01T09:00:00Z [NOTE] x\n", "not an entry"),
        ("- 2026-08-01T09:00:00Z: [NOTE] x\n  more\n", "one line"),
        ("- 2026-08-01T09:00:00Z: [GRANT] seq=1\n", "exactly the fields"),
        ("  stray\n", "not an entry"),
        ("* 2026-08-01T09:00:00Z: [NOTE] x\n", "not an entry"),
        ("- 2026-08-01T09:00:00Z: [NOTE] \ud83d\n", "not UTF-8"),
    ],
)
def test_what_is_no_entry(text, problem):
    (entry,) = history.parse_entries(text.encode("utf-8", "surrogatepass"))
    assert problem in entry.problem
    assert entry.raw == text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("text", ["x" * 2000, "tab\there", " leading", "trailing ", "é 🐪"])
def test_notes_that_are_fine(text):
    (entry,) = history.parse_entries(f"- 2026-08-01T09:00:00.5Z: [MY_NOTE] {text}\n".encode())
    assert (entry.problem, entry.text, entry.action) == (None, text, "MY_NOTE")


GRANT = next(e for e in history.parse_history(SIGNED) if e.action == "GRANT").raw.decode()
TICKET = next(e for e in history.parse_history(SIGNED) if e.action == "TICKET").raw.decode()


@pytest.mark.parametrize(
    ("entry", "old", "new"),
    [
        (GRANT, "by=agent://chem-lab/alice", "by=agent://chem-lab/*"),
        (GRANT, "by=agent://chem-lab/alice", "by=agent://chem-lab//alice"),
        (GRANT, "by=agent://chem-lab/alice", "by=dataset://chem-lab/alice"),
        (GRANT, "by=agent://chem-lab/alice", "by=agent://chem-lab/älice"),
        (GRANT, "heads=HEAD_1,HEAD_3", "heads=HEAD_1,HEAD_1"),
        (GRANT, "heads=HEAD_1,HEAD_3", "heads="),
        (GRANT, "heads=HEAD_1,HEAD_3", "heads=HEAD_1,HEAD_5"),
        (GRANT, "expires=2026-11-25T00:24:33.425806Z", "expires=2026-11-31T00:24:33Z"),
        (GRANT, "seq=1 ", "seq=9007199254740992 "),
        (GRANT, "seq=1 ", "seq=-1 "),
        (GRANT, "run=01", "run=81"),
        (GRANT, "run=01K1Z", "run=01k1z"),
        (TICKET, "kernel=integrals", "kernel=in__tegrals"),
        (TICKET, "kernel=integrals", "kernel=integrals_"),
        (TICKET, "kernel=integrals", "kernel=1ntegrals"),
        (TICKET, "kernel=integrals", "kernel=" + "k" * 49),
        (TICKET, "status=ok", "status=done"),
        (TICKET, "cuda_ns=-", "cuda_ns=01"),
        (TICKET, "cuda_ns=-", "cuda_ns=1.0"),
        (TICKET, "key=ML-DSA-65:", "key=ML-DSA-99:"),
        (TICKET, "xFDWak", "xFDWal"),
        (TICKET, "  <!-- sig ", "  <!--sig "),
        (TICKET, " -->", " --> "),
    ],
)
def test_a_field_that_is_malformed(entry, old, new):
    assert history.parse_entries(entry.encode())[0].problem is None
    assert old in entry
    assert history.parse_entries(entry.replace(old, new, 1).encode())[0].problem


def test_a_signature_has_the_length_of_its_key():
    other = TICKET.replace("ML-DSA-65", "ML-DSA-44")
    assert "2420 bytes" in history.parse_entries(other.encode())[0].problem


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_rendered_note_is_read_back_or_refused(text):
    try:
        raw = history_entry.render_note("2026-08-01T09:00:00Z", "NOTE", text)
    except ValueError:
        return
    (entry,) = history.parse_tail(raw, 1)
    assert (entry.problem, entry.text) == (None, text)


def test_a_note_cannot_smuggle_in_a_signed_entry():
    for text in ("x\n" + TICKET, "x\n\n", ""):
        with pytest.raises(ValueError, match="note"):
            history_entry.render_note("2026-08-01T09:00:00Z", "NOTE", text)
    with pytest.raises(ValueError, match="GRANT"):
        history_entry.render_note("2026-08-01T09:00:00Z", "GRANT", "x")
