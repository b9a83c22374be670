"""A commitment to a set of pictures: the root of a hash tree, and proofs that one of them is in it.

Hashes flow in and out. The tree is that of RFC 6962: leaves and inner nodes are hashed with different first bytes, so
that no inner node can pass for a leaf. A leaf holds a nonce and the hash of a picture file; who has the picture but not
its nonce learns nothing from the tree.

Reference: RFC 6962, section 2.1; the check of a proof as in RFC 9162.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

NONCE_BYTES = 32
LEAF, NODE = b"\x00", b"\x01"


def picture_leaf(nonce: bytes, sha256: bytes) -> bytes:
    """SHA-256(0x00 || nonce || SHA-256 of the picture file), 32 bytes.

    Args:
        nonce: 32 random bytes, of this picture alone. sha256: 32 bytes.
    """
    if len(nonce) != NONCE_BYTES or len(sha256) != hashlib.sha256().digest_size:
        raise ValueError("expected a nonce and a hash of 32 bytes each")
    return leaf_hash(nonce + sha256)


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return hashlib.sha256(LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(NODE + left + right).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """The root over hashes of leaves, in their order; of no leaves the hash of nothing.

    Example:
        >>> tree_root([leaf_hash(b"")]).hex()[:8]
        '6e340b9c'
    """
    *_, top = _levels(leaves) if leaves else [[hashlib.sha256().digest()]]
    return top[0]


def inclusion_paths(leaves: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """For every leaf the hashes beside its way to the root, from below."""
    *levels, _ = _levels(leaves)
    return [tuple(_beside(levels, index)) for index in range(len(leaves))]


def root_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf's path leads to; None where it is no path of leaf `index` in a tree of `size` leaves.

    Example:
        >>> a, b = leaf_hash(b"a"), leaf_hash(b"b")
        >>> root_of_path(b, 1, 2, [a]) == tree_root([a, b])
        True
    """
    if not 0 <= index < size:
        return None
    found, last = leaf, size - 1
    for beside in path:
        if not last:
            return None
        if index % 2 or index == last:
            found = node_hash(beside, found)
            # a last node without a partner is carried up until it has one
            while not index % 2 and index:
                index, last = index // 2, last // 2
        else:
            found = node_hash(found, beside)
        index, last = index // 2, last // 2
    return found if not last else None


def _levels(leaves: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The tree from below: pairs are joined, a last one without a partner is carried up as it is."""
    level = list(leaves)
    yield level
    while len(level) > 1:
        pairs = [node_hash(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = [*pairs, level[-1]] if len(level) % 2 else pairs
        yield level


def _beside(levels: Sequence[Sequence[bytes]], index: int) -> Iterator[bytes]:
    for level in levels:
        if index ^ 1 < len(level):
            yield level[index ^ 1]
        index //= 2
