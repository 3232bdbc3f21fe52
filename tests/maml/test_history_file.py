from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chimera_pipelines.errors import UsageError
from chimera_pipelines.maml import history_file
from chimera_pipelines.maml.history import doc_digest, parse_history
from chimera_pipelines.maml.history_file import HistoryFile
from chimera_pipelines.maml.history_parts import is_writable, read_history, sidecar_path

BODY = b"---\nid: x\n---\n## Intent\nBell.\n"
ID = "urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10"


def note(text: str) -> bytes:
    return f"- 2026-08-01T09:00:00Z: [NOTE] {text}\n".encode()


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "documents" / "bell.maml.md"
    path.parent.mkdir()
    path.write_bytes(BODY)
    return path


def append(path: Path, *texts: str, sidecar: Path | None = None) -> None:
    with HistoryFile(path, sidecar=sidecar).locked() as history:
        history.append([note(text) for text in texts])


def test_appending_only_adds(document):
    append(document, "one")
    first = document.read_bytes()
    assert first == BODY + b"\n## History\n\n" + note("one")
    append(document, "two", "three")
    assert document.read_bytes() == first + note("two") + note("three")
    assert [path.name for path in document.parent.iterdir()] == ["bell.maml.md"]


def test_two_writes_under_one_lock(document):
    with HistoryFile(document).locked() as history:
        history.append([note("one")])
        history.append([note("two")])
    assert [entry.text for entry in parse_history(document.read_bytes())] == ["one", "two"]


def test_what_was_there_when_the_lock_was_given_back_is_familiar(document):
    file = HistoryFile(document)
    with file.locked() as history:
        assert history.familiar == 0
        history.append([note("one")])
        size = len(history.raw)
    append(document, "from another process")
    with file.locked() as history:
        assert history.familiar == size
        assert history.doc == doc_digest(BODY)
        history.append([note("two")])
    texts = [entry.text for entry in parse_history(document.read_bytes())]
    assert texts == ["one", "from another process", "two"]
    document.write_bytes(document.read_bytes().replace(b"Bell", b"Boll"))
    with file.locked() as history:
        assert history.familiar == 0
        assert history.doc == doc_digest(BODY.replace(b"Bell", b"Boll"))


def test_a_file_that_nobody_touched_is_not_read_again(document, monkeypatch):
    file = HistoryFile(document)
    with file.locked() as history:
        history.append([note("one")])
    read = []
    monkeypatch.setattr(history_file, "read_bytes", lambda path: read.append(path) or b"")
    with file.locked() as history:
        history.append([note("two")])
    assert not read
    assert document.read_bytes() == BODY + b"\n## History\n\n" + note("one") + note("two")


def test_an_edit_that_hides_its_time_is_seen(document):
    file = HistoryFile(document)
    with file.locked() as history:
        history.append([note("one")])
    before = document.stat()
    with document.open("r+b") as opened:
        opened.write(document.read_bytes().replace(b"one", b"eno"))
    os.utime(document, ns=(before.st_atime_ns, before.st_mtime_ns))
    with file.locked() as history:
        assert history.familiar == 0
        assert b"eno" in history.raw


def test_an_append_that_failed_is_not_familiar(document, monkeypatch):
    file = HistoryFile(document)
    with file.locked() as history:
        history.append([note("one")])
    whole = document.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _full)
        with file.locked() as history, pytest.raises(UsageError, match="space"):
            history.append([note("two")])
    with file.locked() as history:
        assert (history.familiar, history.raw) == (len(whole), whole)


def _full(_handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_link_stays_a_link(document, tmp_path):
    link = tmp_path / "link.maml.md"
    link.symlink_to(document)
    append(link, "one")
    assert link.is_symlink()
    assert b"one" in document.read_bytes()


def test_a_document_that_someone_replaced_meanwhile_is_not_overwritten(document):
    with HistoryFile(document).locked() as history:
        edited = document.with_name("edited")
        edited.write_bytes(b"an author's work")
        edited.replace(document)
        with pytest.raises(UsageError, match="someone else") as raised:
            history.append([note("one")])
    assert raised.value.code == "CHIM225"
    assert document.read_bytes() == b"an author's work"


def test_a_document_that_is_not_there_is_a_usage_error(tmp_path):
    with (
        pytest.raises(UsageError, match="cannot open") as raised,
        HistoryFile(tmp_path / "x").locked(),
    ):
        pass
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("made_read_only", ["file", "folder"])
def test_a_read_only_document_gets_a_sidecar(document, tmp_path, made_read_only):
    append(document, "one")
    whole = document.read_bytes()
    sidecar = sidecar_path(tmp_path / "home", document, ID, claim=True)
    (document if made_read_only == "file" else document.parent).chmod(0o555)
    try:
        assert not is_writable(document)
        append(document, "two", sidecar=sidecar)
        assert document.read_bytes() == whole
        assert sidecar == tmp_path / "home" / "bell.history.md"
        assert sidecar.read_bytes() == b"## History\n\n" + note("two")
        found = read_history(document, whole, sidecar)
        assert [entry.text for part in found.parts for entry in part.entries] == ["one", "two"]
    finally:
        document.parent.chmod(0o755)
    document.chmod(0o644)
    append(document, "three", sidecar=sidecar)
    assert document.read_bytes() == whole
    assert sidecar.read_bytes().endswith(note("three"))


def archived(path: Path, first: bytes) -> str:
    with HistoryFile(path).locked() as history:
        name = history.archive()
        history.restart([first])
        return name


def test_archives_hold_the_entries_byte_for_byte_and_are_read_first(document):
    append(document, "one", "two")
    name = archived(document, note("archive 1"))
    assert name == "bell.history-1.md"
    assert document.with_name(name).read_bytes() == note("one") + note("two")
    assert document.read_bytes() == BODY + b"\n## History\n\n" + note("archive 1")
    append(document, "three")
    assert archived(document, note("archive 2")) == "bell.history-2.md"
    assert document.with_name("bell.history-2.md").read_bytes() == note("archive 1") + note("three")


def test_an_archive_left_by_a_crash_is_taken_again(document):
    append(document, "one")
    with HistoryFile(document).locked() as history:
        assert history.archive() == "bell.history-1.md"
    with HistoryFile(document).locked() as history:
        assert history.archive() == "bell.history-1.md"
    append(document, "two")
    with HistoryFile(document).locked() as history:
        assert history.archive() == "bell.history-2.md"


def test_an_archive_name_fits_its_field():
    assert history_file.archive_stem("My Bell (2).maml.md") == "My_Bell_2_"
    assert history_file.archive_stem("bell.history.md") == "bell"


WRITER = """
import sys
from pathlib import Path
from chimera_pipelines.maml.history_file import HistoryFile
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
file = HistoryFile(path)
for n in range(count):
    with file.locked() as history:
        text = f"{name} {n} " + "x" * 1500
        history.append([f"- 2026-08-01T09:00:00Z: [NOTE] {text}\\n".encode()])
    print(n, flush=True)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, path, name, str(count)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_a_killed_writer_loses_no_earlier_entry_and_leaves_no_half_one(document):
    rng = random.Random(8)
    kept: list[bytes] = []
    for turn in range(25):
        running = writer(document, f"turn{turn}", 10_000)
        assert running.stdout.readline() == "0\n"
        time.sleep(rng.random() * 0.05)
        running.kill()
        said = len(running.communicate()[0].split()) + 1
        data = document.read_bytes()
        assert data.startswith(BODY + b"\n## History\n\n")
        entries = parse_history(data)
        assert not any(entry.problem for entry in entries)
        raw = [entry.raw for entry in entries]
        assert raw[: len(kept)] == kept
        mine = [entry.text.split()[:2] for entry in entries[len(kept) :]]
        assert mine == [[f"turn{turn}", str(n)] for n in range(len(mine))]
        # What it told was durable; one more may be, that it had no time to tell.
        assert said <= len(mine) <= said + 1
        kept = raw


def test_two_processes_at_once_lose_nothing(document):
    running = [writer(document, name, 40) for name in ("a", "b")]
    for process in running:
        process.communicate(timeout=120)
    assert [process.returncode for process in running] == [0, 0]
    texts = [entry.text.split()[:2] for entry in parse_history(document.read_bytes())]
    for name in ("a", "b"):
        assert [n for who, n in texts if who == name] == [str(n) for n in range(40)]
    assert list(document.parent.iterdir()) == [document]
