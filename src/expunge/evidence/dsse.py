"""Signed envelopes: DSSE with one Ed25519 signature, in one form only.

A type and bytes flow in, a signed file flows out, and back. Any DSSE reader reads what is written here. Here less is
accepted than DSSE allows, since one envelope shall have one form: canonical JSON and a line end, standard base64 with
its padding, no further field, exactly one signature. No field names an algorithm: it follows from the reader's key.

Reference: DSSE protocol and envelope 1.0, github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from expunge.errors import InputError
from expunge.evidence.canonical import (
    FORM,
    MOST_BYTES,
    canonical,
    check_fields,
    from_base64,
    parse_canonical,
    to_base64,
)
from expunge.evidence.keys import SHOWN, key_id

FIELDS, SIGNATURE_FIELDS = {"payload", "payloadType", "signatures"}, {"keyid", "sig"}
END = b"\n"
OTHER_KEY = "take the public key of whoever signed"


@dataclass(frozen=True)
class Envelope:
    """What an envelope holds; nothing of it is to be believed before `check_signature`.

    Args:
        kind: type of the payload. body: the payload. key_id: who says to have signed. signature: 64 bytes.
    """

    kind: str
    body: bytes
    key_id: str
    signature: bytes


def pae(kind: str, body: bytes) -> bytes:
    """What is signed: type and payload, each with its length, so that none can flow into the other.

    Example:
        >>> pae("http://example.com/HelloWorld", b"hello world")
        b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(body), body)


def seal(kind: str, body: bytes, key: Ed25519PrivateKey) -> bytes:
    """The signed file of a payload."""
    signature = {"keyid": key_id(key.public_key()), "sig": to_base64(key.sign(pae(kind, body)))}
    return canonical({"payload": to_base64(body), "payloadType": kind, "signatures": [signature]}) + END


def read_envelope(data: bytes, field: str, *, kind: str) -> Envelope:
    """The parts of a signed file of type `kind`; the signature is not checked yet.

    Raises:
        InputError: it is not written the one way in which `seal` writes.
    """
    if not data.endswith(END):
        raise InputError(field, expected=f"{FORM} and a line end", came="another end of the file")
    found = parse_canonical(data.removesuffix(END), field, most=2 * MOST_BYTES)
    check_fields(found, FIELDS, field)
    signature = _one_signature(found["signatures"], field)
    check_fields(signature, SIGNATURE_FIELDS, f"{field}: signatures")
    if found["payloadType"] != kind:
        raise InputError(f"{field}: payloadType", expected=kind, came=repr(found["payloadType"])[:80])
    body = from_base64(found["payload"], f"{field}: payload")
    signed = from_base64(signature["sig"], f"{field}: sig")
    return Envelope(kind, body, str(signature["keyid"]), signed)


def check_signature(envelope: Envelope, key: Ed25519PublicKey, field: str) -> None:
    """Refuse what `key` did not sign.

    Raises:
        InputError: another key, or another payload or type than the one that was signed.
    """
    expected = key_id(key)
    if envelope.key_id != expected:
        raise InputError(
            f"{field}: keyid", expected=f"the key {expected[:SHOWN]}", came=repr(envelope.key_id)[:80], remedy=OTHER_KEY
        )
    try:
        key.verify(envelope.signature, pae(envelope.kind, envelope.body))
    except InvalidSignature:
        came = "one of other contents or of another key"
        raise InputError(f"{field}: signature", expected=f"one of the key {expected[:SHOWN]}", came=came) from None


def _one_signature(found: Any, field: str) -> Any:
    if not isinstance(found, list) or len(found) != 1:
        came = f"{len(found)}" if isinstance(found, list) else type(found).__name__
        raise InputError(f"{field}: signatures", expected="exactly one", came=came)
    return found[0]
