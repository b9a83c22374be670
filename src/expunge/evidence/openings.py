"""Openings: what proves that a picture is in a committed forget set, kept apart from the attestation and secret.

Hashes of picture files flow in, a commitment and its openings flow out. Every opening is complete in itself, so that
one can be handed to the person on the picture without the others.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from expunge.errors import InputError
from expunge.evidence.canonical import canonical, check_fields, from_hex, parse_canonical
from expunge.evidence.dsse import END
from expunge.evidence.merkle import NONCE_BYTES, inclusion_paths, picture_leaf, root_of_path, tree_root

KIND = "urn:uuid:5d1f7a0e-8a2c-4c67-9b0b-1f3f4f7f2c11#expunge-openings-v1"
FIELDS, OPENING_FIELDS = {"openings", "root", "size", "type"}, {"index", "nonce", "path", "picture"}
MOST_BYTES = 256 << 20
MOST_DEPTH = 64  # of a tree whose size a whole number holds
FIELD = "openings (--openings)"
Nonce = Callable[[int], bytes]


@dataclass(frozen=True)
class Opening:
    """The way of one picture to the root.

    Args:
        picture: its id, for its owner. index: of its leaf. nonce: 32 bytes. path: hashes beside the way, from below.
    """

    picture: str
    index: int
    nonce: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True)
class Openings:
    """Openings of one commitment: of all its pictures, or of some.

    Args:
        root, size: the commitment: 32 bytes, and how many pictures it is of. openings: what can be opened.
    """

    root: bytes
    size: int
    openings: tuple[Opening, ...]


def commit(pictures: Sequence[str], sha256: Sequence[bytes], *, nonce: Nonce = secrets.token_bytes) -> Openings:
    """Commit to picture files, each under a nonce of its own; their order in the tree says nothing.

    Args:
        pictures: n ids. sha256: n hashes of their files. nonce: gives that many random bytes.
    """
    drawn = [nonce(NONCE_BYTES) for _ in pictures]
    # in the order of their hashes, which is a random one, so that a place in the tree is none in the data
    leaves = sorted(
        (picture_leaf(salt, found), salt, picture) for salt, found, picture in zip(drawn, sha256, pictures, strict=True)
    )
    hashes = [leaf for leaf, _, _ in leaves]
    openings = tuple(
        Opening(picture, index, salt, path)
        for index, ((_, salt, picture), path) in enumerate(zip(leaves, inclusion_paths(hashes), strict=True))
    )
    return Openings(tree_root(hashes), len(hashes), openings)


def write_openings(found: Openings) -> bytes:
    """The bytes of a file of openings.

    Raises:
        InputError: it would be larger than what is read.
    """
    rows = [
        {"index": one.index, "nonce": one.nonce.hex(), "path": [p.hex() for p in one.path], "picture": one.picture}
        for one in found.openings
    ]
    data = canonical({"openings": rows, "root": found.root.hex(), "size": found.size, "type": KIND}) + END
    if len(data) > MOST_BYTES:
        came = f"{len(data)}, for {found.size} pictures"
        raise InputError(
            "openings", expected=f"at most {MOST_BYTES} bytes", came=came, remedy="erase in several requests"
        )
    return data


def read_openings(data: bytes) -> Openings:
    """The openings of a file; whether they prove anything is not looked at.

    Raises:
        InputError: it is no such file.
    """
    found = parse_canonical(data.removesuffix(END), FIELD, most=MOST_BYTES)
    check_fields(found, FIELDS, FIELD)
    if found["type"] != KIND or not isinstance(found["openings"], list):
        raise InputError(FIELD, expected="a file of openings", came=repr(found["type"])[:80])
    rows = tuple(_opening(row, i) for i, row in enumerate(found["openings"], start=1))
    return Openings(from_hex(found["root"], FIELD), whole(found["size"], FIELD), rows)


def choose(found: Openings, picture: str) -> Openings:
    """The opening of one picture, without the others.

    Raises:
        InputError: there is none of it.
    """
    chosen = tuple(one for one in found.openings if one.picture == picture)
    if not chosen:
        raise InputError("picture id (--picture)", expected="the id of an erased picture", came=repr(picture)[:80])
    return replace(found, openings=chosen)


def proves(opening: Opening, sha256: bytes, root: bytes, size: int) -> bool:
    """Whether an opening leads from a picture file to the root of a commitment."""
    leaf = picture_leaf(opening.nonce, sha256)
    return root_of_path(leaf, opening.index, size, opening.path) == root


def whole(value: Any, field: str) -> int:
    """Refuse what is not a whole number from 0.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(field, expected="a whole number", came=repr(value)[:40])
    return value


def _opening(row: Any, number: int) -> Opening:
    field = f"{FIELD}, {number}"
    check_fields(row, OPENING_FIELDS, field)
    path = row["path"]
    if not isinstance(path, list) or len(path) > MOST_DEPTH or not isinstance(row["picture"], str):
        raise InputError(field, expected=f"a picture id, and at most {MOST_DEPTH} hashes", came="something else")
    hashes = tuple(from_hex(text, field) for text in path)
    return Opening(row["picture"], whole(row["index"], field), from_hex(row["nonce"], field), hashes)
