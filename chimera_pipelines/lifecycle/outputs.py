"""Outputs in the content store: published ones, earlier ones that stand in, records of errors."""

from __future__ import annotations

import logging

from chimera_pipelines.digest import JSONValue, canonical, sha256
from chimera_pipelines.errors import CheckpointError, KernelError, SettingsError
from chimera_pipelines.lifecycle.services import Services
from chimera_pipelines.ring.blobs import ContentStore

_LOG = logging.getLogger(__name__)


def find(services: Services, input_digest: str, kind: str) -> tuple[str, str] | None:
    """Content id and origin of the latest whole output with that `in` on a head of that kind."""
    try:
        row = services.ledger.find_reusable(input_digest, kind)
    except SettingsError as error:
        _LOG.warning("%s; nothing is reused", error)
        return None
    if row is None or not _whole(services, row.output_digest):
        return None
    return row.output_digest, f"{row.run_id} seq {row.seq}"


def _whole(services: Services, content: str) -> bool:
    """Whether an output is stored and its bytes are those of its digest."""
    if not services.store.exists(content):
        return False
    try:
        services.store.get(content)
    except (CheckpointError, SettingsError) as error:
        _LOG.warning("%s; it is not reused and its kernel runs again", error.message)
        return False
    return True


def store(to: ContentStore, output: JSONValue) -> tuple[str, bytes]:
    """Put a value's canonical text into the content store; returns its id and bytes."""
    text = canonical(output)
    content = to.put(text, media="application/json")
    if content != sha256(text):
        raise AssertionError(f"content store returned {content} for {sha256(text)}")
    return content, text


def store_error(to: ContentStore, error: KernelError) -> str:
    """Keep what a failed ticket's `out` is the digest of, for who finds that ticket standing."""
    text = canonical(error.record())
    try:
        return to.put(text, media="application/json")
    except OSError as refused:  # the ticket matters more: it is signed all the same
        _LOG.warning("the record of an error is not stored: %s", refused)
        return sha256(text)
