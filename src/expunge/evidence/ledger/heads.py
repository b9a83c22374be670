"""Heads: number and hash of a ledger's last event, signed, to be kept where whoever writes the ledger cannot reach.

Who holds a head can tell later whether everything up to it is still there and as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from expunge.errors import InputError
from expunge.evidence.canonical import canonical, check_fields, from_hex, parse_canonical
from expunge.evidence.dsse import check_signature, read_envelope, seal
from expunge.evidence.keyring import check_time

KIND = "urn:uuid:0f0c7a52-6f0e-4b5c-8d5e-6a1d7f1f2b93#expunge-ledger-head-v1"
FIELD = "head (--head)"


@dataclass(frozen=True)
class Head:
    """The end of a ledger at some time.

    Args:
        sequence: number of its last event, 0 where it has none. hash: of that event. time: when this was read, in UTC.
    """

    sequence: int
    hash: str
    time: str


def seal_head(head: Head, key: Ed25519PrivateKey) -> bytes:
    """The signed file of a head."""
    return seal(KIND, canonical(vars(head)), key)


def read_head(data: bytes, key: Ed25519PublicKey) -> Head:
    """The head of a signed file.

    Raises:
        InputError: `key` did not sign it, or it is not written the one way in which `seal_head` writes.
    """
    envelope = read_envelope(data, FIELD, kind=KIND)
    check_signature(envelope, key, FIELD)
    said = parse_canonical(envelope.body, FIELD)
    check_fields(said, {"sequence", "hash", "time"}, FIELD)
    if type(said["sequence"]) is not int or said["sequence"] < 0:
        raise InputError(FIELD, expected="the number of an event", came=repr(said["sequence"])[:40])
    from_hex(said["hash"], FIELD)
    return Head(said["sequence"], said["hash"], check_time(said["time"], FIELD))
