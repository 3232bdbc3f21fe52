"""The ring: four share stores, one a head; a checkpoint lies in all, and any two give it back.

A checkpoint's id is the content id of what it holds, sealed or not. A share counts only if its
header is whole, it stands where that says, and it belongs to the same save as the others; when a
checkpoint is verified, also if every byte of it has the digest that the manifest gives. So damage
is located twice: by digest, and by the code.

Repair makes the lost shares again from two good ones, byte by byte as they were, and needs no keys:
what is coded is what is sealed. Only under aes-2048, where each share is under another head's key,
it needs those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import ShareStoreError, UsageError
from chimera_pipelines.ring import shares_v1
from chimera_pipelines.ring.blobs import hex_of
from chimera_pipelines.ring.code import NEEDED, SHARES
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.gathering import Gathering
from chimera_pipelines.ring.protect import protected
from chimera_pipelines.ring.reports import CheckpointReport, report_of
from chimera_pipelines.ring.seal import CHUNK, Cipher, Sealing
from chimera_pipelines.ring.shares import Manifest, Share
from chimera_pipelines.ring.stores import ShareStore, Writer, open_stores
from chimera_pipelines.ring.trust import HeadKeys, Signer
from chimera_pipelines.ring.writing import Written, remake_shares, write_shares
from chimera_pipelines.settings import HEAD_IDS

_SUFFIX = ".share"
_STRENGTH = list(Cipher)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A stored checkpoint.

    Attributes:
        id: its content id.
        bytes: of the content.
        shares: heads whose stores hold a share.
        lacking: heads whose stores do not, and why.
    """

    id: str
    bytes: int
    shares: tuple[str, ...]
    lacking: Mapping[str, str] = field(default_factory=dict)


class Ring:
    """Share stores of four heads.

    Args:
        root: folder of the ring (`CHIMERA_HOME/ring`); stores are its folders `HEAD_n`.
        heads: ids of the four heads; share i lies with the i-th.
        urls: where the stores lie instead (`CHIMERA_SHARE_STORES`).
        keys: of the heads, to seal and to open.
        signers: gives a head's signer of manifests.
    """

    def __init__(
        self,
        root: Path,
        heads: Sequence[str] = HEAD_IDS,
        *,
        urls: Sequence[str] = (),
        keys: HeadKeys | None = None,
        signers: Callable[[str], Signer] | None = None,
    ) -> None:
        if len(heads) != SHARES or len(set(heads)) != SHARES:
            raise UsageError("CHIM212", f"a ring has {SHARES} heads, not {list(heads)}")
        self.root = root
        self.heads = tuple(heads)
        self.stores: tuple[ShareStore, ...] = open_stores(root, heads, urls)
        self._keys, self._signers = keys, signers

    def store(
        self,
        content: Bytes,
        *,
        document: str,
        kernel: str,
        media: str,
        sealing: Sealing | None = None,
    ) -> Checkpoint:
        """Put four shares of `content`; those that are there and whole are left alone.

        What is there unsealed, or sealed more weakly, is replaced; what is sealed more strongly
        stays. When it returns, three shares at least outlast a crash.

        Args:
            content: the blob.
            document: slug of the document, for `ls`.
            kernel: the kernel's name, for `ls`.
            media: media type of the blob.
            sealing: how it is sealed; None leaves it in the open.

        Raises:
            ShareStoreError: CHIM506 or CHIM507, fewer than three stores could take a share.
        """
        data = memoryview(content).cast("B")
        checkpoint = sha256(data)
        asked = sealing or Sealing(Cipher.NONE, self.heads[0], document)
        kept = self._kept(checkpoint, len(data), asked.cipher)
        if kept is not None:
            return kept
        draft = Manifest(checkpoint, document, kernel, media, len(data), CHUNK)
        manifest, cover = protected(draft, asked, self._keys, self.heads)
        path = self.path(checkpoint)

        def opened(store: ShareStore, size: int) -> Writer:
            return store.write(path, size)

        signer = None if self._signers is None else self._signers(asked.head)
        found = write_shares(self.stores, opened, data, manifest, cover, signer)
        return _checkpoint(found)

    def rebuild(self, checkpoint: str, *, lost: frozenset[str] = frozenset()) -> bytes:
        """The content of a checkpoint, from two of its good shares chosen at random.

        Args:
            checkpoint: its content id.
            lost: heads whose shares are not to be used.

        Raises:
            CheckpointError: CHIM501, no two good shares are left; CHIM502, they are of a version
                that this program does not know; CHIM511, it is sealed under another key.
            SettingsError: CHIM514, it is sealed and its key is not here.
        """
        with self._gathered(checkpoint, lost) as shares:
            blob = shares.rebuild(self._keys)
            if blob is None:
                raise shares.beyond_repair(f"checkpoint '{checkpoint}'")
            return bytes(blob)

    def holds(self, checkpoint: str) -> bool:
        """Whether there are shares enough of a checkpoint; `rebuild` says whether they are good."""
        with self._gathered(checkpoint) as shares:
            return len(shares.group) >= NEEDED

    def verify(self) -> list[CheckpointReport]:
        """Every checkpoint with every share read, its digests checked and held against the code."""
        return [self._verified(checkpoint) for checkpoint in self._checkpoints()]

    def ls(self) -> list[CheckpointReport]:
        """Every checkpoint with headers and sizes checked; the shares themselves are not read."""
        found = []
        for checkpoint in self._checkpoints():
            with self._gathered(checkpoint) as shares:
                shares.settle()
                found.append(report_of(checkpoint, shares))
        return found

    def repair(self, checkpoint: str | None = None) -> list[CheckpointReport]:
        """Make lost and damaged shares again, of one checkpoint or of all; gives what is then.

        Raises:
            ShareStoreError: CHIM506 or CHIM507, a store cannot take its share.
            SettingsError: CHIM514, an aes-2048 checkpoint's keys are not here.
        """
        wanted = self._checkpoints() if checkpoint is None else [checkpoint]
        return [self._repaired(one) for one in wanted]

    def path(self, checkpoint: str) -> str:
        """The file of a checkpoint's share in every store, stored or not."""
        digits = hex_of(checkpoint)
        return f"{digits[:2]}/{digits[2:]}{_SUFFIX}"

    def _kept(self, checkpoint: str, length: int, cipher: Cipher) -> Checkpoint | None:
        """What is there already, made whole; None where it must be written anew."""
        with self._gathered(checkpoint) as shares:
            good = shares.check()
            manifest = shares.manifest
            if manifest is None or len(good) < NEEDED or not _strong(manifest.cipher, cipher):
                return None
            faults = self._mend(shares) if len(good) < SHARES else {}
        held = tuple(head for head in self.heads if head not in faults)
        lacking = {head: error.message for head, error in faults.items()}
        return Checkpoint(checkpoint, length, held, lacking)

    def _repaired(self, checkpoint: str) -> CheckpointReport:
        with self._gathered(checkpoint) as shares:
            good = shares.check()
            if len(good) == SHARES or len(good) < NEEDED:
                return report_of(checkpoint, shares)
            faults = self._mend(shares)
        if faults:
            raise next(iter(faults.values()))
        return self._verified(checkpoint)

    def _mend(self, shares: Gathering) -> Mapping[str, ShareStoreError]:
        """Put the shares that a checked gathering lacks; gives what stores said that failed."""
        group = shares.group
        path = shares.path

        def opened(store: ShareStore, size: int) -> Writer:
            return store.write(path, size)

        share = next(iter(group.values()))
        if share.version != shares_v1.VERSION:
            lost = [index for index in range(SHARES) if index not in group]
            return remake_shares(shares, lost, opened, self._keys)
        blob = shares.rebuild(None)
        assert blob is not None  # noqa: S101 - `check` has just rebuilt it
        manifest, cover = protected(
            share.manifest, Sealing(Cipher.NONE, self.heads[0], ""), None, self.heads
        )
        return write_shares(self.stores, opened, blob, manifest, cover, None).faults

    def _verified(self, checkpoint: str) -> CheckpointReport:
        with self._gathered(checkpoint) as shares:
            shares.check()
            return report_of(checkpoint, shares)

    def _gathered(self, checkpoint: str, lost: frozenset[str] = frozenset()) -> Gathering:
        def accept(share: Share) -> str | None:
            content = share.manifest.content
            return None if content == checkpoint else f"it is share {share.index} of '{content}'"

        return Gathering(self.stores, self.path(checkpoint), lost=lost, accept=accept)

    def _checkpoints(self) -> list[str]:
        names = set()
        for store in self.stores:
            for path in _listed(store):
                folder, _, file = path.rpartition("/")
                if file.endswith(_SUFFIX) and "/" not in folder:
                    names.add(f"sha256:{folder}{file.removesuffix(_SUFFIX)}")
        return sorted(name for name in names if _is_content_id(name))


def _listed(store: ShareStore) -> list[str]:
    """A store that cannot be listed has nothing: its shares are then told as unreadable."""
    try:
        return store.list("")
    except OSError:
        return []


def _checkpoint(found: Written) -> Checkpoint:
    manifest = found.manifest
    return Checkpoint(manifest.content, manifest.length, found.held, found.lacking)


def _strong(has: Cipher, asked: Cipher) -> bool:
    return _STRENGTH.index(has) >= _STRENGTH.index(asked)


def _is_content_id(name: str) -> bool:
    try:
        hex_of(name)
    except UsageError:
        return False
    return True
