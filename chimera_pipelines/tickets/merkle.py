"""The RFC 9162 Merkle tree over History entries, kept as its edge.

The edge is the hashes of the full subtrees, largest first: one for each 1 bit of the size. It is
all that appending needs, and it folds from the right into the root (the Merkle Tree Hash of section
2.1.1). An ARCHIVE entry carries it, so that the tree can go on without the archived entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256 of 0x00 and the data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256 of 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A growing tree: `append` is O(log n) in time, and the whole is O(log n) in memory.

    Args:
        size: number of leaves already in it.
        edge: hashes of its full subtrees, largest first.

    Raises:
        ValueError: the edge has not as many hashes as the size has 1 bits.
    """

    __slots__ = ("_edge", "size")

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        if len(edge) != size.bit_count():
            raise ValueError(
                f"a tree of {size} leaves has {size.bit_count()} hashes, not {len(edge)}"
            )
        self.size = size
        self._edge = list(edge)

    @property
    def edge(self) -> tuple[bytes, ...]:
        """Hashes of the full subtrees, largest first."""
        return tuple(self._edge)

    @property
    def root(self) -> bytes:
        """The Merkle Tree Hash of all leaves."""
        if not self._edge:
            return EMPTY
        root = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            root = node_hash(left, root)
        return root

    def append(self, data: bytes) -> None:
        """Add a leaf."""
        node = leaf_hash(data)
        carry = self.size
        while carry & 1:
            node = node_hash(self._edge.pop(), node)
            carry >>= 1
        self._edge.append(node)
        self.size += 1

    def copy(self) -> MerkleTree:
        """The same tree, growing apart from this one."""
        return MerkleTree(self.size, self._edge)


def written(digest: bytes) -> str:
    """A hash as History writes it."""
    return "sha256:" + digest.hex()


def read_edge(text: str) -> tuple[bytes, ...]:
    """The hashes of a well-formed `edge` field."""
    return tuple(bytes.fromhex(part.removeprefix("sha256:")) for part in text.split(","))
