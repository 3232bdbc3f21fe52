"""What is judged of a History, and when all of it is judged again."""

from __future__ import annotations

from pathlib import Path

import pytest

from chimera_pipelines.errors import HistoryError
from chimera_pipelines.lifecycle.verdict import Verdict
from chimera_pipelines.maml.history import doc_digest
from chimera_pipelines.maml.history_entry import render_line, render_signed
from chimera_pipelines.maml.history_file import HistoryFile
from chimera_pipelines.tickets.jwks import KeyRing

TEXT = b"---\nid: x\n---\n## Intent\nBell.\n"
ID = "urn:uuid:6f0c1a52-8d1e-4b7a-9c35-2f5d7be0a911"


def note(text: str) -> bytes:
    return f"- 2026-08-01T09:00:00Z: [NOTE] {text}\n".encode()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "bell.maml.md"
    path.write_bytes(TEXT + b"\n## History\n\n" + note("one"))
    return path


@pytest.fixture
def verdict(document: Path) -> Verdict:
    return Verdict(document, ID, doc_digest(TEXT), lambda: KeyRing.of([]))


def append(document: Path, raw: bytes) -> None:
    document.write_bytes(document.read_bytes() + raw)


def judged(verdict: Verdict, file: HistoryFile) -> tuple[int, bool]:
    """Entries, and whether all were judged anew."""
    with file.locked() as history:
        verdict.check_text(history)
        verifier, fresh = verdict.of(history)
        return verifier.number, fresh


def test_what_another_process_appended_is_judged_alone(document: Path, verdict: Verdict) -> None:
    file = HistoryFile(document)
    assert judged(verdict, file) == (1, True)
    assert judged(verdict, file) == (1, False)
    append(document, note("two") + note("three"))
    assert judged(verdict, file) == (3, False)


@pytest.mark.parametrize(
    "edit",
    [
        lambda raw: raw.replace(b"one", b"eno"),
        lambda raw: raw[: raw.index(b"- 2026")] + note("other"),
        lambda raw: raw + b"\n## History\n\n" + note("two"),
    ],
)
def test_after_an_edit_all_is_judged_again(document: Path, verdict: Verdict, edit) -> None:
    file = HistoryFile(document)
    judged(verdict, file)
    document.write_bytes(edit(document.read_bytes()))
    with file.locked() as history:
        assert verdict.of(history)[1]


def test_a_file_that_this_process_has_not_seen_is_judged_whole(
    document: Path, verdict: Verdict
) -> None:
    judged(verdict, HistoryFile(document))
    assert judged(verdict, HistoryFile(document)) == (1, True)


def test_nothing_is_known_after_it_was_forgotten(document: Path, verdict: Verdict) -> None:
    file = HistoryFile(document)
    judged(verdict, file)
    verdict.forget()
    assert judged(verdict, file) == (1, True)


@pytest.mark.parametrize("fresh", [True, False])
def test_what_does_not_verify_is_refused_until_it_is_mended(
    document: Path, verdict: Verdict, *, fresh: bool
) -> None:
    file, good = HistoryFile(document), document.read_bytes()
    if not fresh:
        judged(verdict, file)
    append(document, b"- no entry\n")
    for _ in range(2):
        with pytest.raises(HistoryError, match="entry 1") as raised:
            judged(verdict, file)
        assert raised.value.code == "MAML801"
    document.write_bytes(good)
    assert judged(verdict, file) == (1, True)


def test_an_archive_entry_below_others_is_refused_by_who_knows_them(
    document: Path, verdict: Verdict
) -> None:
    """It would put a tree of a stranger's choosing under the gateway's next signature."""
    file = HistoryFile(document)
    judged(verdict, file)
    zero = "sha256:" + "0" * 64
    fields = {"seq": "1", "file": "x.history-1.md", "edge": zero, "doc": zero, "prev": zero}
    fields["key"] = "ML-DSA-44:" + "A" * 43
    line = render_line("2026-08-01T09:00:01Z", "ARCHIVE", fields)
    append(document, render_signed(line, bytes(2420)))
    with pytest.raises(HistoryError, match="ARCHIVE is not the first entry") as raised:
        judged(verdict, file)
    assert raised.value.code == "MAML801"


def test_the_line_of_what_was_appended_is_the_files(document: Path, verdict: Verdict) -> None:
    file = HistoryFile(document)
    judged(verdict, file)
    append(document, note("two") + b"- no entry\n")
    with pytest.raises(HistoryError) as raised:
        judged(verdict, file)
    assert raised.value.where is not None
    lines = document.read_bytes().split(b"\n")
    assert lines[raised.value.where.line - 1] == b"- no entry"


def test_another_text_is_refused(document: Path, verdict: Verdict) -> None:
    file = HistoryFile(document)
    judged(verdict, file)
    document.write_bytes(document.read_bytes().replace(b"Bell", b"Boll"))
    with pytest.raises(HistoryError, match="text changed") as raised:
        judged(verdict, file)
    assert raised.value.code == "MAML806"
