"""The ring: four share stores, one a head; a checkpoint lies in all, and any two give it back.

A share counts only if its own digests hold, it stands where its header says, and, when a checkpoint
is rebuilt or verified, if it is what the blob with the checkpoint's id makes it. So damage is
located twice: by digest, and by the code.

Shares are written at once, a thread each: storing mostly waits for disks, and a file system takes
syncs that wait together along in one commit.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from chimera_pipelines.digest import sha256
from chimera_pipelines.errors import CheckpointError, UsageError
from chimera_pipelines.ring.blobs import hex_of
from chimera_pipelines.ring.code import NEEDED, SHARES, encode, rebuild
from chimera_pipelines.ring.durable import Bytes
from chimera_pipelines.ring.reports import CheckpointReport, ShareReport, ShareStatus
from chimera_pipelines.ring.shares import (
    Share,
    ShareError,
    ShareHeader,
    ShareVersionError,
    read_header,
    read_share,
    write_share,
)
from chimera_pipelines.settings import HEAD_IDS

_SUFFIX = ".share"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A stored checkpoint: its content id, the blob's bytes, the heads that hold shares."""

    id: str
    bytes: int
    shares: tuple[str, ...]


class Ring:
    """Share stores `root/HEAD_n`.

    Args:
        root: folder of the ring (`CHIMERA_HOME/ring`).
        heads: ids of the four heads; share i lies with the i-th.
    """

    def __init__(self, root: Path, heads: Sequence[str] = HEAD_IDS) -> None:
        if len(heads) != SHARES or len(set(heads)) != SHARES:
            raise UsageError("CHIM212", f"a ring has {SHARES} heads, not {list(heads)}")
        self.root = root
        self.heads = tuple(heads)

    def store(self, content: bytes, *, document: str, kernel: str, media: str) -> Checkpoint:
        """Put four shares of `content`; those that are there and whole are left alone.

        When it returns, all four outlast a crash.

        Args:
            content: the blob, at least one byte.
            document: slug of the document, for `ls`.
            kernel: the kernel's name, for `ls`.
            media: media type of the blob.

        Raises:
            CheckpointError: CHIM506, a store cannot be written.
        """
        checkpoint = sha256(content)
        lacking = []
        for index, data in enumerate(encode(content)):
            digest = sha256(data)  # type: ignore[arg-type] # hashlib takes any buffer
            header = ShareHeader(
                checkpoint, document, kernel, media, index, NEEDED, SHARES, len(content), digest
            )
            found = self._read(checkpoint, index)
            if not (isinstance(found, Share) and found.header.digest == digest):
                lacking.append((header, data))
        if lacking:
            with ThreadPoolExecutor(SHARES, thread_name_prefix="chimera-ring") as pool:
                list(pool.map(self._write, *zip(*lacking, strict=True)))
        return Checkpoint(checkpoint, len(content), self.heads)

    def _write(self, header: ShareHeader, data: Bytes) -> None:
        try:
            write_share(self.path(header.content, header.index), header, data)
        except OSError as error:
            raise CheckpointError(
                "CHIM506",
                f"share of {self.heads[header.index]} cannot be written: {error.strerror}",
                hint=f"free space or mend permissions of '{self.root}'",
            ) from None

    def rebuild(self, checkpoint: str, *, lost: frozenset[str] = frozenset()) -> bytes:
        """The blob of a checkpoint, from two of its good shares chosen at random.

        Args:
            checkpoint: its content id.
            lost: heads whose shares are not to be used.

        Raises:
            CheckpointError: CHIM501, no two good shares are left; CHIM502, they are of a version
                that this program does not know.
        """
        found = {
            index: self._read(checkpoint, index)
            for index, head in enumerate(self.heads)
            if head not in lost
        }
        good = {index: share for index, share in found.items() if isinstance(share, Share)}
        blob = self._solve(checkpoint, good)
        if blob is None:
            raise self._beyond_repair(checkpoint, found, lost)
        return blob

    def verify(self) -> list[CheckpointReport]:
        """Every checkpoint with every share read, its digests checked and held against the code."""
        return [self._verified(checkpoint) for checkpoint in self._checkpoints()]

    def ls(self) -> list[CheckpointReport]:
        """Every checkpoint with headers and sizes checked; the shares themselves are not read."""
        return [self._report(one, self._headers(one)) for one in self._checkpoints()]

    def path(self, checkpoint: str, index: int) -> Path:
        """The file of a checkpoint's share, stored or not."""
        digits = hex_of(checkpoint)
        return self.root / self.heads[index] / digits[:2] / f"{digits[2:]}{_SUFFIX}"

    def _checkpoints(self) -> list[str]:
        names = {
            f"sha256:{path.parent.name}{path.name.removesuffix(_SUFFIX)}"
            for head in self.heads
            for path in (self.root / head).glob(f"[0-9a-f][0-9a-f]/*{_SUFFIX}")
            if not path.name.startswith(".")
        }
        return sorted(name for name in names if _is_content_id(name))

    def _read(self, checkpoint: str, index: int) -> Share | ShareError | None:
        """The share, what is wrong with it, or None where there is none."""
        try:
            share = read_share(self.path(checkpoint, index))
            _check_place(share.header, checkpoint, index)
        except FileNotFoundError:
            return None
        except ShareError as error:
            return error
        return share

    def _headers(self, checkpoint: str) -> dict[int, ShareHeader | ShareError | None]:
        found: dict[int, ShareHeader | ShareError | None] = {}
        for index in range(SHARES):
            try:
                header = read_header(self.path(checkpoint, index))
                _check_place(header, checkpoint, index)
                found[index] = header
            except FileNotFoundError:
                found[index] = None
            except ShareError as error:
                found[index] = error
        return found

    def _verified(self, checkpoint: str) -> CheckpointReport:
        found = {index: self._read(checkpoint, index) for index in range(SHARES)}
        good = {index: share for index, share in found.items() if isinstance(share, Share)}
        blob = self._solve(checkpoint, good)
        judged: dict[int, ShareHeader | ShareError | None] = {
            index: share.header if isinstance(share, Share) else share
            for index, share in found.items()
        }
        if blob is not None:
            made = encode(blob)
            for index, share in good.items():
                if made[index] != share.data or share.header.length != len(blob):
                    judged[index] = ShareError("it is whole, but no share of this checkpoint")
        elif len(good) >= NEEDED:
            judged |= {index: ShareError("no two shares give this checkpoint") for index in good}
        return self._report(checkpoint, judged)

    def _report(
        self, checkpoint: str, found: Mapping[int, ShareHeader | ShareError | None]
    ) -> CheckpointReport:
        shares = tuple(
            ShareReport(head, index, *_status(found[index]))
            for index, head in enumerate(self.heads)
        )
        headers = [header for header in found.values() if isinstance(header, ShareHeader)]
        if not headers:
            return CheckpointReport(checkpoint, "", "", 0, shares)
        first = headers[0]
        return CheckpointReport(checkpoint, first.document, first.kernel, first.length, shares)

    @staticmethod
    def _solve(checkpoint: str, good: Mapping[int, Share]) -> bytes | None:
        """The blob with the checkpoint's id; a pair that gives another one is passed over."""
        for pair in _shuffled(list(combinations(sorted(good), NEEDED))):
            lengths = {good[index].header.length for index in pair}
            if len(lengths) == 1:
                shares = {index: good[index].data for index in pair}
                blob = rebuild(shares, lengths.pop()).tobytes()
                if sha256(blob) == checkpoint:
                    return blob
        return None

    def _beyond_repair(
        self,
        checkpoint: str,
        found: Mapping[int, Share | ShareError | None],
        lost: frozenset[str],
    ) -> CheckpointError:
        said = []
        for index, head in enumerate(self.heads):
            share = found.get(index)
            if head in lost:
                said.append(f"{head}: given as lost")
            elif share is None:
                said.append(f"{head}: missing")
            elif isinstance(share, ShareError):
                said.append(f"{head}: {share}")
            else:
                said.append(f"{head}: good, alone or at odds with the others")
        newer = any(isinstance(share, ShareVersionError) for share in found.values())
        return CheckpointError(
            "CHIM502" if newer else "CHIM501",
            f"checkpoint '{checkpoint}' cannot be rebuilt; {'; '.join(said)}",
            hint="use the version of chimera that wrote it"
            if newer
            else "run the kernel again with --force",
        )


def _check_place(header: ShareHeader, checkpoint: str, index: int) -> None:
    if (header.content, header.index) != (checkpoint, index):
        raise ShareError(f"it is share {header.index} of '{header.content}'")


def _status(found: ShareHeader | ShareError | None) -> tuple[ShareStatus, str | None]:
    if found is None:
        return ShareStatus.MISSING, None
    if isinstance(found, ShareError):
        return ShareStatus.CORRUPT, str(found)
    return ShareStatus.OK, None


def _is_content_id(name: str) -> bool:
    try:
        hex_of(name)
    except UsageError:
        return False
    return True


def _shuffled(pairs: list[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """In random order, so that use exercises every pair and not the same two shares for ever."""
    while pairs:
        yield pairs.pop(secrets.randbelow(len(pairs)))
