"""Signed History lines as in-toto Statements v1 (MAML.md §8).

The payload is not stored anywhere: it is rebuilt from the line that the reader sees and the
document's id, so there is no second copy that could disagree with the visible one.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPES: Mapping[str, str] = {
    action: f"https://schemas.invalid/maml/{action.lower()}/v1"
    for action in ("GRANT", "TICKET", "ARCHIVE", "KEY")
}
Fields = Mapping[str, str]


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _grant(fields: Fields) -> dict[str, Any]:
    return {
        "run_id": fields["run"],
        "granted_to": fields["by"],
        "gateway": fields["gateway"],
        "heads": fields["heads"].split(","),
        "expires": fields["expires"],
    }


def _ticket(fields: Fields) -> dict[str, Any]:
    duration = fields["cuda_ns"]
    return {
        "run_id": fields["run"],
        "kernel": fields["kernel"],
        "status": fields["status"],
        "input_hash": fields["in"],
        "output_hash": fields["out"],
        "head_id": fields["head"],
        "cuda_kernel_duration_ns": None if duration == "-" else int(duration),
    }


def _archive(fields: Fields) -> dict[str, Any]:
    return {"file": fields["file"], "edge": fields["edge"].split(",")}


def _key(fields: Fields) -> dict[str, Any]:
    return {"holder": fields["holder"], "new_key_id": fields["new"]}


_PREDICATES: Mapping[str, Callable[[Fields], dict[str, Any]]] = {
    "GRANT": _grant,
    "TICKET": _ticket,
    "ARCHIVE": _archive,
    "KEY": _key,
}


def _subject(action: str, fields: Fields, document_id: str) -> tuple[str, str]:
    """Name and SHA-256 (hex) of what a statement is about."""
    if action == "TICKET":
        return f"{document_id}#{fields['kernel']}", _hex(fields["out"])
    if action == "KEY":
        thumbprint = fields["new"].partition(":")[2]
        return fields["holder"], urlsafe_b64decode(thumbprint + "=").hex()
    return document_id, _hex(fields["doc"])


def statement(action: str, timestamp: str, fields: Fields, document_id: str) -> dict[str, Any]:
    """The statement of a signed entry.

    Args:
        action: GRANT, TICKET, ARCHIVE or KEY.
        timestamp: as the line writes it.
        fields: the line's `key=value` fields.
        document_id: `id` of the front matter.
    """
    name, digest = _subject(action, fields, document_id)
    return {
        "_type": STATEMENT_TYPE,
        "predicateType": PREDICATE_TYPES[action],
        "subject": [{"name": name, "digest": {"sha256": digest}}],
        "predicate": {
            "document": {"id": document_id, "digest": fields["doc"]},
            "seq": int(fields["seq"]),
            "prev_hash": fields["prev"],
            "timestamp": timestamp,
            "key_id": fields["key"],
            **_PREDICATES[action](fields),
        },
    }


def payload(action: str, timestamp: str, fields: Fields, document_id: str) -> bytes:
    """The RFC 8785 bytes of the statement: what a DSSE envelope carries.

    Its keys are ASCII and its numbers are integers, for which the fast encoder of `json` writes the
    same bytes as `digest.canonical` (a test compares them); verification spends its time here.
    """
    whole = statement(action, timestamp, fields, document_id)
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
