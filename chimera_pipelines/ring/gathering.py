"""The shares of one artefact, gathered from four stores: which are good, and what they give.

Shares belong together when their manifests are the same. Of several such groups, which a save that
was killed or a store that was away may leave, the fullest counts, of equal ones the newest state.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Self, TypeAlias

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import CheckpointError
from chimera_pipelines.ring import shares_v1
from chimera_pipelines.ring.code import NEEDED, encode
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.memory import fresh
from chimera_pipelines.ring.protect import protection
from chimera_pipelines.ring.share_errors import ShareError, ShareVersionError
from chimera_pipelines.ring.shares import Manifest, Share, check_share, read_share
from chimera_pipelines.ring.stores import Reader, ShareStore, reason
from chimera_pipelines.ring.stripes import Spent, collect
from chimera_pipelines.ring.trust import HeadKeys

Found: TypeAlias = "Share | ShareError | None"
"""A share, what is wrong with it, or None where there is none."""


class Gathering:
    """The four files of one artefact, open as long as the context lasts.

    Args:
        stores: of the four heads, in order.
        path: of the file in each store.
        lost: heads whose stores are not to be read.
        accept: says what is wrong with a share whose header is whole, or None.
    """

    def __init__(
        self,
        stores: Sequence[ShareStore],
        path: str,
        *,
        lost: frozenset[str] = frozenset(),
        accept: Callable[[Share], str | None] = lambda _: None,
    ) -> None:
        self.stores, self.path, self.lost = stores, path, lost
        self.found: dict[int, Found] = {}
        self._readers: dict[int, Reader] = {}
        for index, store in enumerate(stores):
            if store.name not in lost:
                self.found[index] = self._opened(index, store, accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers.values():
            reader.close()

    @property
    def group(self) -> dict[int, Share]:
        """The shares that belong together, by number; empty where there are none."""
        groups: dict[bytes, dict[int, Share]] = {}
        for index, share in self.found.items():
            if isinstance(share, Share):
                groups.setdefault(share.group, {})[index] = share
        return max(groups.values(), key=_rank, default={})

    @property
    def manifest(self) -> Manifest | None:
        """What the shares of the group say of the artefact."""
        return next((share.manifest for share in self.group.values()), None)

    def settle(self) -> dict[int, Share]:
        """The group; whole shares that do not belong to it are from now on told as wrong."""
        group = self.group
        for index, share in self.found.items():
            if isinstance(share, Share) and index not in group:
                self.found[index] = ShareError("it is of another save than the others")
        return group

    def check(self) -> dict[int, Share]:
        """Read every share of the group; those with another digest are told as wrong."""
        for index, share in self.settle().items():
            try:
                check_share(self._readers[index], share)
            except ShareError as error:
                self.found[index] = error
            except OSError as error:
                self.found[index] = ShareError(f"it cannot be read: {reason(error)}")
        self._check_code()
        return self.group

    def rebuild(
        self, keys: HeadKeys | None, *, in_order: bool = False, spent: Spent | None = None
    ) -> memoryview | None:
        """The artefact, from the first pair of the group that gives it; None if none does.

        Args:
            keys: to open what is sealed; None only for what is not.
            in_order: begin with shares 0 and 1, which need no XOR, instead of with any two.
            spent: gets the seconds of all threads.

        Raises:
            SettingsError: CHIM514, the key is not here.
            CheckpointError: CHIM511, the key is another one.
        """
        group = self.settle()
        if len(group) < NEEDED:
            return None
        manifest = next(iter(group.values())).manifest
        layout, opener = manifest.layout, protection(manifest, keys)
        out = fresh(manifest.length)
        for pair in _pairs(sorted(group), in_order=in_order):
            try:
                collect(self.read_into, pair, layout, opener, out, spent)
            except (CheckpointError, OSError):
                continue
            if manifest.seals or sha256(out) == manifest.content:
                return out.toreadonly()
        return None

    def read_into(self, share: int, offset: int, buffer: memoryview) -> None:
        """Bytes of a share from an offset in it."""
        found = self.found[share]
        assert isinstance(found, Share)  # noqa: S101 - asked for shares of the group alone
        self._readers[share].read_into(found.start + offset, buffer)

    def beyond_repair(self, name: str) -> CheckpointError:
        """CHIM501, or CHIM502 where a share is of a version that is not known here."""
        newer = any(isinstance(share, ShareVersionError) for share in self.found.values())
        said = "; ".join(self._said())
        return CheckpointError(
            "CHIM502" if newer else "CHIM501",
            f"{name} cannot be rebuilt; {said}",
            hint="use the version of chimera that wrote it"
            if newer
            else "run the kernel again with --force",
        )

    def _said(self) -> Iterator[str]:
        for index, store in enumerate(self.stores):
            share = self.found.get(index)
            if store.name in self.lost:
                yield f"{store.name}: given as lost"
            elif share is None:
                yield f"{store.name}: missing"
            elif isinstance(share, ShareError):
                yield f"{store.name}: {share}"
            else:
                yield f"{store.name}: good, alone or at odds with the others"

    def _opened(
        self, index: int, store: ShareStore, accept: Callable[[Share], str | None]
    ) -> Found:
        try:
            reader = store.read(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            return ShareError(f"it cannot be read: {reason(error)}")
        self._readers[index] = reader
        try:
            share = read_share(reader)
        except ShareError as error:
            return error
        except OSError as error:
            return ShareError(f"it cannot be read: {reason(error)}")
        if share.index != index:
            return ShareError(f"it is share {share.index} of '{share.manifest.content}'")
        fault = accept(share)
        return share if fault is None else ShareError(fault)

    def _check_code(self) -> None:
        """Hold what is not sealed against its content id, and version 1 against the code."""
        group = self.group
        manifest = self.manifest
        if manifest is None or manifest.seals or len(group) < NEEDED:
            return
        blob = self.rebuild(None)
        if blob is None:
            self.found |= {index: ShareError("no two shares give this artefact") for index in group}
            return
        if next(iter(group.values())).version == shares_v1.VERSION:
            self._check_v1(blob, group)

    def _check_v1(self, blob: Bytes, group: Mapping[int, Share]) -> None:
        made = encode(blob)
        for index, share in group.items():
            if sha256(made[index]) != share.manifest.digests[index]:
                self.found[index] = ShareError("it is whole, but no share of this artefact")


def _rank(group: Mapping[int, Share]) -> tuple[bool, int, int]:
    """Rebuildable before not, then newer before older, then more before fewer."""
    state = next(iter(group.values())).manifest.state
    return len(group) >= NEEDED, 0 if state is None else state.generation, len(group)


def _pairs(good: Sequence[int], *, in_order: bool) -> Iterator[tuple[int, int]]:
    """All pairs; in random order, use exercises every one and not the same two for ever."""
    pairs = list(combinations(good, NEEDED))
    while pairs:
        first, second = pairs.pop(0 if in_order else secrets.randbelow(len(pairs)))
        yield first, second
