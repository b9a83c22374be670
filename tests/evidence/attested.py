"""A small attestation that tests share: two files, three erased pictures, a key that everybody knows."""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from expunge.evidence.attestation import PAYLOAD_TYPE, PREDICATE_FIELDS, PREDICATE_TYPE, STATEMENT_TYPE, attest
from expunge.evidence.canonical import canonical
from expunge.evidence.dsse import seal
from expunge.evidence.openings import Openings, commit

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PICTURES = {f"p{i}": f"picture {i}".encode() for i in range(3)}
FILES = {"config.json": b"{}", "weights/model.safetensors": b"weights"}
MADE = "2026-03-01T12:00:00Z"


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def openings() -> Openings:
    """Of the three pictures, with nonces that are no secret."""
    numbers = iter(range(100))
    return commit(
        list(PICTURES), [sha256(data) for data in PICTURES.values()], nonce=lambda n: bytes([next(numbers)]) * n
    )


def subjects() -> dict[str, str]:
    return {name: sha256(data).hex() for name, data in FILES.items()}


def predicate(**changes: Any) -> dict[str, Any]:
    committed = openings()
    forget = {"leaf": "leaf", "root": committed.root.hex(), "size": committed.size, "tree": "tree"}
    said: dict[str, Any] = {name: {} for name in PREDICATE_FIELDS} | {"audits": [{"value": "0.5", "name": "é"}]}
    return {**said, "forgetSet": forget, "made": MADE, "verdict": "not assessed", **changes}


def statement(**changes: Any) -> dict[str, Any]:
    """The statement as it is written, with other fields on top; None takes a field away."""
    listed = [{"digest": {"sha256": found}, "name": name} for name, found in sorted(subjects().items())]
    said = {"_type": STATEMENT_TYPE, "predicate": predicate(), "predicateType": PREDICATE_TYPE, "subject": listed}
    return {name: value for name, value in {**said, **changes}.items() if value is not None}


def signed() -> bytes:
    """The attestation."""
    return attest(subjects(), predicate(), KEY)


def sealed(**changes: Any) -> bytes:
    """A statement with other fields, signed by the right key all the same."""
    return seal(PAYLOAD_TYPE, canonical(statement(**changes)), KEY)
