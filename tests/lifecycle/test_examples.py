from __future__ import annotations

import json
from pathlib import Path

from chimera_pipelines.lifecycle import examples
from chimera_pipelines.lifecycle.services import shipped_examples


def test_the_manifest_is_in_step_with_the_shipped_documents() -> None:
    kept = json.loads(examples.MANIFEST.read_text("utf-8"))
    assert kept == examples.manifest(), "run python -m chimera_pipelines.lifecycle.examples"
    assert shipped_examples() == set(kept["documents"].values())


def test_an_appended_history_changes_nothing_and_an_edited_block_does(tmp_path: Path) -> None:
    name = examples.NAMES[0]
    text = (examples.DOCUMENTS / name).read_text("utf-8")
    body = text.partition("## History")[0].rstrip("\n") + "\n\n"
    note = "## History\n\n- 2026-11-25T09:00:00Z: [CREATE] by agent://chimera/examples\n"
    (tmp_path / name).write_text(body + note, "utf-8")
    expected = examples.manifest(names=[name])
    assert examples.manifest(tmp_path, [name]) == expected
    (tmp_path / name).write_text(body.replace("qc.h(0)", "qc.x(0)") + note, "utf-8")
    assert examples.manifest(tmp_path, [name]) != expected


def test_a_document_beside_the_examples_is_not_trusted(tmp_path: Path) -> None:
    for name in (*examples.NAMES, "stranger.maml.md"):
        (tmp_path / name).write_bytes((examples.DOCUMENTS / examples.NAMES[0]).read_bytes())
    assert set(examples.manifest(tmp_path)["documents"]) == set(examples.NAMES)
