"""Slots: the files in which heads' states lie, overwritten in turn.

A head has numbered slots; slot n is the file `state/HEAD_m/n.state` in each of the four stores.
Whoever saves holds the head's lock. A slot is taken while any store has a whole header in it, which
is written last: a save that was killed before leaves a slot that is free. A state is committed when
two stores have its header, since then two whole shares are there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from chimera_pipelines import file_lock
from chimera_pipelines.ring.share_errors import ShareError
from chimera_pipelines.ring.shares import Manifest, Share, read_share
from chimera_pipelines.ring.state_records import StateKey, StateRef
from chimera_pipelines.ring.stores import ShareStore

FOLDER = "state"
_SLOT = re.compile(rf"{FOLDER}/(HEAD_\d+)/(\d+)\.state\Z")
_KEPT_FREE = 4


class Slots:
    """The slots of all heads in four stores.

    Args:
        stores: of the four heads, in order.
        locks: folder of the lock files, on this machine.
    """

    def __init__(self, stores: Sequence[ShareStore], locks: Path) -> None:
        self.stores = stores
        self._locks = locks

    @contextmanager
    def locked(self, head: str) -> Iterator[None]:
        """Hold the head's slots against other processes and threads that would write them.

        Raises:
            UsageError: CHIM229, somebody else holds them for too long.
        """
        self._locks.mkdir(parents=True, exist_ok=True)
        path = self._locks / f"{head}.lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            file_lock.take(handle, path)
            yield
        finally:
            os.close(handle)

    @staticmethod
    def path(head: str, slot: int) -> str:
        """The slot's file in every store."""
        return f"{FOLDER}/{head}/{slot:04d}.state"

    def numbers(self) -> dict[str, list[int]]:
        """The slots that there are, by head; a store that cannot be listed is passed over."""
        found: dict[str, set[int]] = {}
        for store in self.stores:
            try:
                paths = store.list(FOLDER)
            except OSError:
                continue
            for path in paths:
                named = _SLOT.match(path)
                if named:
                    found.setdefault(named[1], set()).add(int(named[2]))
        return {head: sorted(numbers) for head, numbers in sorted(found.items())}

    def table(self, head: str) -> dict[int, Share | None]:
        """The head's slots with a header of each, None for those that are free."""
        return {slot: self._header(head, slot) for slot in self.numbers().get(head, [])}

    def headers(self, head: str, slot: int) -> int:
        """How many stores have a whole header of what the slot holds."""
        groups: dict[bytes, int] = {}
        for store in self.stores:
            share = _read(store, self.path(head, slot))
            if share is not None:
                groups[share.group] = groups.get(share.group, 0) + 1
        return max(groups.values(), default=0)

    def free(self, head: str, slots: Sequence[int], *, spare: bool = False) -> None:
        """Let slots hold nothing; a few stay while others are in use, or if they are `spare`."""
        for slot in slots:
            self._everywhere("clear", head, slot)
        table = self.table(head)
        empty = [slot for slot, share in table.items() if share is None]
        kept = _KEPT_FREE if spare or len(empty) < len(table) else 0
        for slot in empty[kept:]:
            self._everywhere("delete", head, slot)

    def _everywhere(self, what: str, head: str, slot: int) -> None:
        """A store that cannot do it keeps a share that no longer counts: it is alone there."""
        for store in self.stores:
            try:
                getattr(store, what)(self.path(head, slot))
            except OSError:
                continue

    def _header(self, head: str, slot: int) -> Share | None:
        found = (_read(store, self.path(head, slot)) for store in self.stores)
        return next((share for share in found if share is not None), None)


def key_of(share: Share) -> StateKey | None:
    """Whose state a share is of; None for a checkpoint's."""
    state = share.manifest.state
    if state is None:
        return None
    return StateKey(state.run, share.manifest.kernel, state.partition, state.name)


def generation_of(share: Share) -> int:
    """Which time the state was saved."""
    return 0 if share.manifest.state is None else share.manifest.state.generation


def ref_of(manifest: Manifest, held: tuple[str, ...]) -> StateRef:
    """The state of a manifest, with the heads that hold shares of it."""
    state = manifest.state
    assert state is not None  # noqa: S101 - made of states alone
    key = StateKey(state.run, manifest.kernel, state.partition, state.name)
    return StateRef(
        manifest.content,
        key,
        state.head,
        state.generation,
        manifest.length,
        manifest.cipher,
        held,
        rewritten=manifest.length,
        media=manifest.media,
    )


def choose(table: Mapping[int, Share | None], replaceable: Sequence[int]) -> int:
    """The slot to write: one that may be replaced, else a free one, else a new one.

    Args:
        table: the head's slots.
        replaceable: slots of the same key that do not hold its newest committed generation.
    """
    empty = [slot for slot, share in table.items() if share is None]
    return next(iter([*replaceable, *empty]), max(table, default=-1) + 1)


def _read(store: ShareStore, path: str) -> Share | None:
    try:
        reader = store.read(path)
    except OSError:
        return None
    try:
        return read_share(reader)
    except (ShareError, OSError):
        return None
    finally:
        reader.close()
