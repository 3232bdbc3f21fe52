from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chimera_pipelines.tickets.merkle import MerkleTree, read_edge, written

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "digests.json").read_bytes())


def naive(leaves: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive(leaves[:k]) + naive(leaves[k:])).digest()


def grown(leaves: list[bytes], tree: MerkleTree | None = None) -> MerkleTree:
    tree = tree or MerkleTree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


@pytest.mark.parametrize("case", VECTORS["tree"], ids=lambda case: str(len(case["leaves"])))
def test_vectors(case):
    tree = grown([leaf.encode() for leaf in case["leaves"]])
    assert written(tree.root) == case["root"]
    assert [written(part) for part in tree.edge] == case["edge"]


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_root_is_that_of_the_recursion(leaves):
    assert grown(leaves).root == naive(leaves)


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.lists(st.binary(max_size=8)))
def test_a_tree_goes_on_from_its_edge(first, then):
    tree = grown(first)
    text = ",".join(written(part) for part in tree.edge)
    again = MerkleTree(len(first), read_edge(text))
    assert again.root == tree.root
    assert grown(then, again).root == naive([*first, *then])


@given(st.integers(0, 300), st.integers(0, 12))
def test_an_edge_has_as_many_hashes_as_the_size_has_ones(size, hashes):
    edge = [bytes(32)] * hashes
    if hashes == size.bit_count():
        assert MerkleTree(size, edge).edge == tuple(edge)
    else:
        with pytest.raises(ValueError, match="hashes"):
            MerkleTree(size, edge)


def test_a_copy_grows_apart():
    tree = grown([b"a", b"b"])
    copy = tree.copy()
    copy.append(b"c")
    assert (tree.size, tree.root) == (2, naive([b"a", b"b"]))
    assert copy.root == naive([b"a", b"b", b"c"])
