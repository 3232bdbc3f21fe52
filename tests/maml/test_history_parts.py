from __future__ import annotations

import os
from pathlib import Path

import pytest

from chimera_pipelines.errors import UsageError
from chimera_pipelines.maml.history_parts import is_writable, read_history, sidecar_path

ID, OTHER = "urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10", "urn:uuid:" + "1" * 28 + "22222222"


def history(*lines: str) -> bytes:
    shown = "".join(f"- 2026-08-01T09:00:00Z: {line}\n" for line in lines)
    return f"a\n\n## History\n\n{shown}".encode()


def texts(document: Path, sidecar: Path | None = None) -> list[list[str]]:
    found = read_history(document, document.read_bytes(), sidecar)
    return [[entry.text for entry in part.entries] for part in found.parts]


def test_a_document_is_continued_by_its_sidecar(tmp_path):
    document, sidecar = tmp_path / "bell.maml.md", tmp_path / "bell.history.md"
    document.write_bytes(history("[NOTE] one"))
    assert texts(document, sidecar) == [["one"]]
    sidecar.write_bytes(history("[NOTE] two"))
    assert texts(document, sidecar) == [["one"], ["two"]]


def test_a_part_that_cannot_be_read_is_said(tmp_path):
    document = tmp_path / "bell.maml.md"
    document.write_bytes(history("[NOTE] one"))
    with pytest.raises(UsageError, match="cannot read history") as raised:
        texts(document, tmp_path)
    assert raised.value.code == "CHIM225"


def test_a_file_that_is_not_there_is_not_writable(tmp_path):
    assert not is_writable(tmp_path / "none.maml.md")


def test_documents_of_one_name_have_sidecars_of_their_own(tmp_path):
    home = tmp_path / "home"
    first = sidecar_path(home, Path("/a/bell.maml.md"), ID, claim=True)
    second = sidecar_path(home, Path("/b/bell.maml.md"), OTHER, claim=True)
    assert (first.name, second.name) == ("bell.history.md", "bell-22222222.history.md")
    assert sidecar_path(home, Path("/c/bell.maml.md"), ID) == first


def test_a_name_is_claimed_with_its_owner_or_not_at_all(tmp_path, monkeypatch):
    owner, seen = tmp_path / ".sidecars" / "bell", []
    link = os.link

    def late(source, target):
        seen.append((owner.exists(), Path(source).read_text()))
        owner.write_text(OTHER)  # another process was faster
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    path = sidecar_path(tmp_path, Path("/a/bell.maml.md"), ID, claim=True)
    assert seen == [(False, ID)]
    assert path.name == f"bell-{ID[-8:]}.history.md"
    assert list(owner.parent.iterdir()) == [owner]
