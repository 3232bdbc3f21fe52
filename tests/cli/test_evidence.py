from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chimera_pipelines.cli import evidence
from chimera_pipelines.errors import UsageError

SIGNED = Path(__file__).parents[1] / "vectors" / "examples" / "signed"


def test_a_run_report_is_a_tree_head(tmp_path):
    file = tmp_path / "run.json"
    noted = '"document": {"id": "a"}, "history": {"entries": 4, "root": "r"}'
    one = f'{{"schema": "chimera.run/1", {noted}}}'
    file.write_text(one)
    assert evidence.tree_heads(file) == (evidence.TreeHead("a", 4, "r"),)
    file.write_text(f'{{"schema": "chimera.runs/1", "runs": [{one}, {one}]}}')
    assert len(evidence.tree_heads(file)) == 2


def test_a_sidecar_goes_on_where_the_document_ends(home, tmp_path):
    path = tmp_path / "h2_vqe.maml.md"
    whole = (SIGNED / "h2_vqe.maml.md").read_bytes()
    at = whole.rindex(b"\n- ") + 1
    path.write_bytes(whole[:at])
    (home / "h2_vqe.history.md").write_bytes(b"## History\n\n" + whole[at:])
    keys = evidence.trusted_keys(SIGNED / "keys.jwks.json")
    result = evidence.verified(path, keys)
    assert result.ok
    assert (result.entries, result.tickets) == (5, 3)


def test_tree_heads_of_other_documents_say_nothing(home, tmp_path):
    path = tmp_path / "h2_vqe.maml.md"
    shutil.copyfile(SIGNED / "h2_vqe.maml.md", path)
    keys = evidence.trusted_keys(SIGNED / "keys.jwks.json")
    head = evidence.TreeHead("urn:uuid:other", 99, "sha256:0")
    assert evidence.verified(path, keys, (head,)).ok


def test_an_unreadable_document(tmp_path, home):
    with pytest.raises(UsageError) as raised:
        evidence.read(tmp_path)
    assert raised.value.code == "CHIM202"
