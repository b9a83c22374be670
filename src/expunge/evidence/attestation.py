"""Attestations: a signed statement of who says what about which bytes; readable without expunge.

Plain values flow in, a signed file flows out, and back. The statement is an in-toto Statement v1: its subjects are the
files of the model after erasure, its predicate says how they came to be and what was measured. It names no person, no
picture and no path. It is neither certified removal nor proof of compliance with any law, and says so.

Reference: in-toto attestation framework, github.com/in-toto/attestation, spec v1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from expunge.errors import InputError
from expunge.evidence.canonical import canonical, check_fields, from_hex, parse_canonical
from expunge.evidence.dsse import check_signature, read_envelope, seal
from expunge.evidence.keyring import Keyring, check_key, check_time
from expunge.evidence.openings import Openings, proves, whole

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
# no host is named, since a host may change hands; a UUID belongs to whoever drew it
PREDICATE_TYPE = "urn:uuid:5d1f7a0e-8a2c-4c67-9b0b-1f3f4f7f2c11#expunge-erasure-v1"
STATEMENT_FIELDS = {"_type", "predicate", "predicateType", "subject"}
PREDICATE_FIELDS = {
    *("audits", "code", "data", "environment", "forgetSet", "limits", "made", "method", "model", "notMeasured"),
    *("request", "run", "verdict"),
}
NOT_ASSESSED = "not assessed"
FIELD = "attestation"
LIMITS = (
    "This says who states what about which bytes, and nothing more.",
    "It is neither certified removal in the sense of differential privacy nor proof of compliance with any law.",
    "An attack that was not run may succeed.",
    "The forget set is committed to, not shown: with a picture file and its opening it can be proved that the picture "
    "is in it; it cannot be proved that a picture is not.",
    "The time is stated by the signer.",
)


@dataclass(frozen=True)
class Attestation:
    """An attestation that was read; `data` is the file.

    Args:
        subjects: SHA-256 of each file of the model, by name. predicate: all else that it says.
        signer: id of the key that signed. data: the bytes of the file.
    """

    subjects: Mapping[str, str]
    predicate: Mapping[str, Any]
    signer: str
    data: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The attestation's id: SHA-256 of its file."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def commitment(self) -> tuple[bytes, int]:
        """Root and size of the forget set."""
        found = self.predicate["forgetSet"]
        return from_hex(found["root"], FIELD), whole(found["size"], FIELD)


def attest(subjects: Mapping[str, str], predicate: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """The signed file.

    Args:
        subjects: SHA-256 of each file of the model, by name.
        predicate: plain values under exactly the names of `PREDICATE_FIELDS`, without fractions.
        key: signs.

    Raises:
        InputError: a file name or a value that no reader would accept.
    """
    listed = [{"digest": {"sha256": found}, "name": name} for name, found in sorted(subjects.items())]
    statement = {
        "_type": STATEMENT_TYPE,
        "predicate": dict(predicate),
        "predicateType": PREDICATE_TYPE,
        "subject": listed,
    }
    try:
        body = canonical(statement)
    except ValueError as error:
        raise InputError(FIELD, expected="names and values that can be written as text", came=str(error)) from None
    _read_statement(body)
    return seal(PAYLOAD_TYPE, body, key)


def read_attestation(data: bytes, public: Ed25519PublicKey, ring: Keyring | None = None) -> Attestation:
    """An attestation, checked as far as its own bytes go: form, type, signature, fields.

    Args:
        data: the file. public: the key that the reader trusts.
        ring: where given, keys that follow from `public` are trusted too, in their time, but for revoked ones.

    Raises:
        InputError: anything that is not as it must be.
    """
    envelope = read_envelope(data, FIELD, kind=PAYLOAD_TYPE)
    if ring is None:
        check_signature(envelope, public, FIELD)
    # with a keyring the time decides on the key; it is believed only once that key's signature is good
    statement = _read_statement(envelope.body)
    if ring is not None:
        check_signature(envelope, check_key(ring, public, envelope.key_id, statement["predicate"]["made"]), FIELD)
    return _attestation(statement, envelope.key_id, data)


def read_unverified(data: bytes) -> Attestation:
    """An attestation as it speaks of itself: form, type and fields are checked, but not who signed it.

    Raises:
        InputError: anything else that is not as it must be.
    """
    envelope = read_envelope(data, FIELD, kind=PAYLOAD_TYPE)
    return _attestation(_read_statement(envelope.body), envelope.key_id, data)


def check_model(attestation: Attestation, files: Mapping[str, str]) -> None:
    """Refuse a model that is not, file by file, the one attested.

    Args:
        attestation: what was signed. files: SHA-256 of every file of the model, by name.

    Raises:
        InputError: naming files that are missing, changed or too many.
    """
    said = attestation.subjects
    kinds = {
        "missing": [name for name in said if name not in files],
        "changed": [name for name in said if name in files and files[name] != said[name]],
        "not attested": [name for name in files if name not in said],
    }
    if any(kinds.values()):
        came = "; ".join(f"{kind}: {_first(names)}" for kind, names in kinds.items() if names)
        raise InputError("model (--model)", expected=f"the {len(said)} files that were attested", came=came)


def check_picture(attestation: Attestation, openings: Openings, sha256: bytes) -> None:
    """Refuse a picture of which no opening shows that it is in the forget set.

    Args:
        attestation: what was signed. openings: of this attestation. sha256: of the picture file.

    Raises:
        InputError: openings of another forget set, or none for this picture.
    """
    root, size = attestation.commitment
    if (openings.root, openings.size) != (root, size):
        raise InputError("openings (--openings)", expected="those of this attestation", came="those of another")
    if not any(proves(one, sha256, root, size) for one in openings.openings):
        came = f"a file (SHA-256 {sha256.hex()[:16]}) that none of {len(openings.openings)} openings fits"
        remedy = "give the file as it was in the data, byte for byte"
        raise InputError("picture (--picture)", expected="a picture of the forget set", came=came, remedy=remedy)


def _read_statement(body: bytes) -> dict[str, Any]:
    """The statement of a payload, its fields checked."""
    found: dict[str, Any] = parse_canonical(body, f"{FIELD}: payload")
    check_fields(found, STATEMENT_FIELDS, f"{FIELD}: statement")
    for name, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if found[name] != expected:
            raise InputError(f"{FIELD}: {name}", expected=expected, came=repr(found[name])[:80])
    _check_subjects(found["subject"])
    predicate = found["predicate"]
    check_fields(predicate, PREDICATE_FIELDS, f"{FIELD}: predicate")
    check_time(predicate["made"], f"{FIELD}: made")
    check_fields(predicate["forgetSet"], {"leaf", "root", "size", "tree"}, f"{FIELD}: forgetSet")
    from_hex(predicate["forgetSet"]["root"], f"{FIELD}: root")
    whole(predicate["forgetSet"]["size"], f"{FIELD}: size")
    return found


def _attestation(statement: Mapping[str, Any], signer: str, data: bytes) -> Attestation:
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    return Attestation(subjects, statement["predicate"], signer, data)


def _check_subjects(found: Any) -> None:
    where = f"{FIELD}: subject"
    if not isinstance(found, list) or not found:
        raise InputError(where, expected="at least one file", came=repr(found)[:40])
    names = []
    for one in found:
        check_fields(one, {"digest", "name"}, where)
        check_fields(one["digest"], {"sha256"}, where)
        from_hex(one["digest"]["sha256"], where)
        _check_name(one["name"], where)
        names.append(one["name"])
    if names != sorted(set(names)):
        raise InputError(where, expected="every file once, in order", came=_first(names))


def _check_name(name: Any, where: str) -> None:
    """A name must stay in the directory of the model, and read as what it is."""
    path = PurePosixPath(name) if isinstance(name, str) and name else PurePosixPath("/")
    inside = not path.is_absolute() and ".." not in path.parts and str(path) == name != "."
    if not inside or "\\" in name or not name.isprintable():
        raise InputError(where, expected="a name inside the directory of the model", came=ascii(name)[:80])


def _first(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(ascii(name)[1:-1] for name in names[:most]) + more
