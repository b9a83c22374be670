"""The hash tree: published roots and proofs, a naive tree beside ours, and proofs that must not hold."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.evidence.merkle import inclusion_paths, leaf_hash, node_hash, picture_leaf, root_of_path, tree_root

# leaves and roots by which implementations of RFC 6962 are compared: the roots of the first 0, 1 ... 8 leaves
DATA = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# (index, size, hashes beside the way)
PATHS = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
]
LEAVES = [leaf_hash(data) for data in DATA]


def naive_root(data: Sequence[bytes]) -> bytes:
    """The definition of RFC 6962, word by word."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = max(2**i for i in range(64) if 2**i < len(data))
    return hashlib.sha256(b"\x01" + naive_root(data[:k]) + naive_root(data[k:])).digest()


def naive_path(index: int, data: Sequence[bytes]) -> list[bytes]:
    if len(data) == 1:
        return []
    k = max(2**i for i in range(64) if 2**i < len(data))
    if index < k:
        return [*naive_path(index, data[:k]), naive_root(data[k:])]
    return [*naive_path(index - k, data[k:]), naive_root(data[:k])]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    assert tree_root(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_published_paths(index: int, size: int, path: list[str]) -> None:
    assert [step.hex() for step in inclusion_paths(LEAVES[:size])[index]] == path
    found = root_of_path(LEAVES[index], index, size, [bytes.fromhex(step) for step in path])
    assert found is not None and found.hex() == ROOTS[size]


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70))
def test_roots_and_paths_are_those_of_the_definition(data: list[bytes]) -> None:
    leaves = [leaf_hash(one) for one in data]
    assert tree_root(leaves) == naive_root(data)
    for index, path in enumerate(inclusion_paths(leaves)):
        assert list(path) == naive_path(index, data)
        assert root_of_path(leaves[index], index, len(leaves), path) == naive_root(data)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 8, 13, 16])
def test_a_proof_holds_for_its_own_leaf_place_and_size_only(size: int) -> None:
    leaves = [leaf_hash(bytes([i])) for i in range(size)]
    root = tree_root(leaves)
    for index, path in enumerate(inclusion_paths(leaves)):
        for other in range(-1, size + 2):
            assert (root_of_path(leaves[index], other, size, path) == root) == (other == index)
        wrong = [*path[:-1], leaf_hash(b"other")] if path else [leaf_hash(b"other")]
        assert root_of_path(leaves[index], index, size, wrong) != root
        assert root_of_path(leaf_hash(b"other"), index, size, path) != root
        assert root_of_path(leaves[index], index, size, [*path, root]) is None
        assert not path or root_of_path(leaves[index], index, size, path[1:]) is None


def test_an_inner_node_passes_for_no_leaf() -> None:
    a, b, c, d = LEAVES[:4]
    root = tree_root([a, b, c, d])
    left = node_hash(a, b)
    # a tree of two leaves whose first is the inner node: without prefixes both trees would have one root
    assert root_of_path(leaf_hash(a + b), 0, 2, [node_hash(c, d)]) != root
    assert leaf_hash(a + b) != left


def test_a_leaf_is_nonce_and_hash() -> None:
    nonce, sha256 = bytes(range(32)), hashlib.sha256(b"picture").digest()
    assert picture_leaf(nonce, sha256) == hashlib.sha256(b"\x00" + nonce + sha256).digest()
    for bad in ((nonce[:-1], sha256), (nonce, sha256 + b"\x00"), (nonce + sha256[:1], sha256[1:])):
        with pytest.raises(ValueError, match="32 bytes each"):
            picture_leaf(*bad)
