"""Writing shares into four stores at once, and making lost ones again.

A store that cannot take its share is left out, as long as three can: any two rebuild, and one more
may then be lost before `repair`. The header of a share goes last: a share with a header is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from chimera_pipelines.errors import ShareStoreError
from chimera_pipelines.ring.code import NEEDED, SHARES
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.gathering import Gathering
from chimera_pipelines.ring.protect import protection
from chimera_pipelines.ring.share_errors import ShareError
from chimera_pipelines.ring.shares import NO_DIGEST, Manifest, header_of, signed
from chimera_pipelines.ring.stores import ShareStore, Writer, store_error
from chimera_pipelines.ring.stripes import Bare, Protection, remake, spread
from chimera_pipelines.ring.trust import HeadKeys, Signer

ENOUGH = 3
Open = Callable[[ShareStore, int], Writer]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a save: the heads that hold shares, and what the other stores said."""

    manifest: Manifest
    held: tuple[str, ...]
    faults: Mapping[str, ShareStoreError]

    @property
    def lacking(self) -> dict[str, str]:
        """Why a head's store holds no share."""
        return {head: error.message for head, error in self.faults.items()}


class _Writers:
    """The files of a save; one whose store has failed is written no further."""

    def __init__(self, stores: Sequence[ShareStore], size: int, opened: Open) -> None:
        self._stores = stores
        self._writers: dict[int, Writer] = {}
        self._faults: dict[int, OSError] = {}
        for index, store in enumerate(stores):
            try:
                self._writers[index] = opened(store, size)
            except OSError as error:
                self._faults[index] = error

    @property
    def good(self) -> list[int]:
        """Numbers of the shares that can still be written."""
        return [index for index in self._writers if index not in self._faults]

    @property
    def faults(self) -> dict[str, ShareStoreError]:
        """What each store that failed said."""
        found = ((self._stores[index], error) for index, error in sorted(self._faults.items()))
        return {store.name: store_error(store, error) for store, error in found}

    def put(self, share: int, offset: int, data: Bytes) -> None:
        """Write to a share's file; an error is kept, and the others go on."""
        if share in self._writers and share not in self._faults:
            try:
                self._writers[share].write(offset, data)
            except OSError as error:
                self._faults[share] = error

    def commit(self, header: Callable[[int], bytes]) -> None:
        """Write headers and end the good files, a thread each: they mostly wait for disks."""

        def end(share: int) -> None:
            self.put(share, 0, header(share))
            if share not in self._faults:
                try:
                    self._writers.pop(share).commit()
                except OSError as error:
                    self._faults[share] = error

        wanted = self.good
        with ThreadPoolExecutor(max(1, len(wanted)), thread_name_prefix="chimera-ring") as pool:
            list(pool.map(end, wanted))

    def abort(self) -> None:
        """End what was not committed."""
        for writer in self._writers.values():
            writer.abort()
        self._writers.clear()


def write_shares(
    stores: Sequence[ShareStore],
    opened: Open,
    data: memoryview,
    draft: Manifest,
    cover: Protection,
    signer: Signer | None,
) -> Written:
    """Four shares of an artefact into four stores.

    Args:
        stores: of the four heads, in order.
        opened: gives the file of a store, for so many bytes.
        data: the plaintext.
        draft: the manifest, but for digests and signer.
        cover: the protection whose seals the manifest names.
        signer: signs the manifest.

    Raises:
        ShareStoreError: CHIM506 or CHIM507, fewer than three stores could take their share.
    """
    layout = draft.layout
    unsigned, signature = signed(replace(draft, digests=(NO_DIGEST,) * SHARES), signer)
    start = len(header_of(0, unsigned, signature))
    writers = _Writers(stores, start + layout.share_bytes, opened)
    try:
        _enough(writers)
        for share in writers.good:
            writers.put(share, 0, bytes(start))
        digests = spread(
            data, layout, cover, lambda share, at, piece: writers.put(share, start + at, piece)
        )
        _enough(writers)
        manifest, signature = signed(replace(draft, digests=digests), signer)
        writers.commit(lambda share: header_of(share, manifest, signature))
        _enough(writers)
    finally:
        writers.abort()
    faults = writers.faults
    held = tuple(store.name for store in stores if store.name not in faults)
    return Written(manifest, held, faults)


def remake_shares(
    gathering: Gathering, wanted: Sequence[int], opened: Open, keys: HeadKeys | None
) -> dict[str, ShareStoreError]:
    """Make lost shares again from two good ones, byte by byte as they were.

    Without keys, but for an artefact whose shares are each sealed under another key (aes-2048).

    Args:
        gathering: checked (`Gathering.check`), with two good shares at least.
        wanted: numbers of the shares.
        opened: gives the file of a store, for so many bytes.
        keys: for aes-2048.

    Returns:
        What stores said that could not take their share.

    Raises:
        SettingsError: CHIM514, keys are needed and are not here.
        ShareError: the good shares give others than the manifest says.
    """
    group = gathering.group
    first, second = sorted(group)[:NEEDED]
    share = group[first]
    manifest = share.manifest
    layout = manifest.layout
    cover = protection(manifest, keys) if layout.after else Bare()
    stores = gathering.stores
    writers = _Writers(
        [stores[index] for index in wanted], share.start + layout.share_bytes, opened
    )
    place = {index: at for at, index in enumerate(wanted)}

    def put(index: int, offset: int, piece: Bytes) -> None:
        writers.put(place[index], share.start + offset, piece)

    try:
        for index in wanted:
            writers.put(place[index], 0, bytes(share.start))
        made = remake(gathering.read_into, (first, second), wanted, layout, cover, put)
        if any(made[index] != manifest.digests[index] for index in wanted):
            raise ShareError("its good shares do not give the lost ones")
        writers.commit(lambda at: header_of(wanted[at], manifest, share.signature))
    finally:
        writers.abort()
    return writers.faults


def _enough(writers: _Writers) -> None:
    """Raise what the first store said, if fewer than three are left."""
    faults = writers.faults
    if len(faults) > SHARES - ENOUGH:
        first = next(iter(faults.values()))
        others = "; ".join(error.message for error in list(faults.values())[1:])
        raise ShareStoreError(first.code, f"{first.message}; {others}", hint=first.hint)
