"""What a run says of signing keys: that it made some, and that a History knows others.

Who clones a document gets its History and not the keys that signed it. The run goes on, as a
gateway only warns of keys that it does not know (MAML.md §8); but `verify` judges by the keys that
are here, so its user must hear of it before, and not from its exit code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chimera_pipelines.cli import evidence
from chimera_pipelines.cli.terminal import clean

if TYPE_CHECKING:
    from chimera_pipelines.cli.terminal import Terminal
    from chimera_pipelines.settings import Settings


@contextmanager
def key_notice(terminal: Terminal, document: Path, now: Settings) -> Iterator[None]:
    """Warn of unknown keys in a document's History; afterwards tell of keys that were made."""
    store = evidence.key_store(now)
    before = {info.key.key_id for info in store.list()}
    unknown = signed_by(document) - before
    if unknown:
        named = ", ".join(sorted(unknown)[:3]) + (
            ", …" if unknown - set(sorted(unknown)[:3]) else ""
        )
        terminal.warn(
            f"the History of '{clean(str(document))}' is signed by {len(unknown)} keys that are "
            f"not in '{store.root}' (MAML805: {clean(named)}); 'chimera verify' will fail with the "
            "keys from here: verify with --keys of who signed, or run a copy without the History"
        )
    try:
        yield
    finally:
        made = {info.key.key_id for info in store.list()} - before
        if made:
            terminal.note(f"{len(made)} keys made in {store.root}")


def signed_by(document: Path) -> set[str]:
    """Ids of the keys that signed grants and tickets of a document's History."""
    return {
        entry.fields["key"]
        for part in evidence.read(document).parts
        for entry in part.entries
        if entry.action in ("GRANT", "TICKET") and "key" in entry.fields
    }
