from __future__ import annotations

import json
from pathlib import Path

import pytest

from chimera_pipelines.digest import canonical
from chimera_pipelines.maml.history import parse_history
from chimera_pipelines.tickets.dsse import to_be_signed
from chimera_pipelines.tickets.merkle import leaf_hash, written
from chimera_pipelines.tickets.statement import payload, statement

VECTORS = Path(__file__).parents[1] / "vectors"
SIGNED = (VECTORS / "examples" / "signed" / "h2_vqe.maml.md").read_bytes()
CASES = json.loads((VECTORS / "digests.json").read_bytes())["statement"]
ID = "urn:uuid:6f0c1a52-8d1e-4b7a-9c35-2f5d7be0a911"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vectors(case):
    (entry,) = (e for e in parse_history(SIGNED) if case["line"].encode() in e.raw)
    body = payload(entry.action, entry.timestamp, entry.fields, ID)
    assert body.decode() == case["statement"]
    assert to_be_signed(body).hex() == case["signed"]
    assert written(leaf_hash(entry.raw)) == case["leaf"]


def test_a_key_entry_is_about_its_holder():
    fields = {
        "seq": "3",
        "holder": "head://local/default/HEAD_1",
        "new": "ML-DSA-65:-o2ZCDzYCmvYys6ujsrp5CkEZEUyJuEFdSe3mYXZ39o",
        "doc": "sha256:" + "1" * 64,
        "prev": "sha256:" + "2" * 64,
        "key": "ML-DSA-65:kzuZVuDfKBIWek5PC02GkzlEw_4a_cfQQJOgkps6NNQ",
    }
    found = statement("KEY", "2026-08-01T09:00:00Z", fields, ID)
    hexadecimal = "fa8d99083cd80a6bd8caceae8ecae9e429046445 3226e1057527b79985d9dfda".replace(
        " ", ""
    )
    assert found["subject"] == [{"name": fields["holder"], "digest": {"sha256": hexadecimal}}]
    assert set(found["predicate"]) == {
        *("document", "seq", "prev_hash", "holder", "new_key_id", "timestamp", "key_id"),
    }


@pytest.mark.parametrize("document_id", [ID, "", 'a"b\\c', "\x00\x1f\x7f\u2028 é 🐪\n"])
def test_the_payload_is_canonical_whatever_the_id_is(document_id):
    for entry in parse_history(SIGNED)[1:]:
        given = (entry.action, entry.timestamp, entry.fields, document_id)
        assert payload(*given) == canonical(statement(*given))


def test_a_duration_is_a_number_or_null():
    ticket = next(e for e in parse_history(SIGNED) if e.action == "TICKET")
    for written_as, value in (("-", None), ("0", 0), ("12412345", 12412345)):
        fields = {**ticket.fields, "cuda_ns": written_as}
        found = statement("TICKET", ticket.timestamp, fields, ID)
        assert found["predicate"]["cuda_kernel_duration_ns"] == value
