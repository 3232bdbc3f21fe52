"""Files that were written once stay readable."""

from __future__ import annotations

import json
from base64 import b64decode
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from chimera_pipelines.digest import sha256
from chimera_pipelines.ring.ring import Ring
from chimera_pipelines.ring.seal_file import unseal
from chimera_pipelines.settings import HEAD_IDS
from tests.ring.keys import FIXED

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ring.json").read_text()
)
PLAIN = b64decode(VECTORS["plain"])


@pytest.mark.parametrize("name", VECTORS["sealed files, version 1"])
def test_sealed_files(name: str) -> None:
    found = b64decode(VECTORS["sealed files, version 1"][name])
    assert unseal(found, FIXED, content=sha256(PLAIN), document="doc", head="HEAD_2") == PLAIN


@pytest.mark.parametrize(
    ("version", "cipher"),
    [("1", None), *(("2", cipher) for cipher in VECTORS["shares, version 2"])],
)
def test_shares(tmp_path: Path, version: str, cipher: str | None) -> None:
    files = VECTORS[f"shares, version {version}"]
    ring = Ring(tmp_path, keys=FIXED)
    for head, text in zip(HEAD_IDS, files if cipher is None else files[cipher], strict=True):
        path = tmp_path / head / ring.path(sha256(PLAIN))
        path.parent.mkdir(parents=True)
        path.write_bytes(b64decode(text))
    (report,) = ring.verify()
    assert report.ok
    assert (report.document, report.kernel, report.encryption) == ("doc", "k", cipher or "none")
    for lost in combinations(HEAD_IDS, 2):
        assert ring.rebuild(report.id, lost=frozenset(lost)) == PLAIN
