from __future__ import annotations

import pytest

from chimera_pipelines.digest import JSONValue
from chimera_pipelines.lifecycle.blob_references import fault, names_blob

BLOB: dict[str, JSONValue] = {
    "$blob": "sha256:" + "a" * 64,
    "bytes": 0,
    "media": "application/x-npy",
}


@pytest.mark.parametrize("value", [BLOB, [1, {"x": [BLOB]}], {"$blob": None}])
def test_the_key_is_found_anywhere(value: JSONValue) -> None:
    assert names_blob(value)


@pytest.mark.parametrize("value", ["$blob", ["$blob"], {"x": "$blob"}, None])
def test_the_word_alone_is_no_key(value: JSONValue) -> None:
    assert not names_blob(value)
    assert fault(value) is None


def test_faults_are_found_below_whole_blobs() -> None:
    assert fault([BLOB, {"x": BLOB}]) is None
    assert fault([BLOB, {"x": {**BLOB, "media": 3}}]) == (
        "'media' of a $blob is none of application/octet-stream, application/x-npy"
    )
