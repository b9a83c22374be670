"""Keys: Ed25519 pairs as PEM files, the private one for its owner alone.

Paths and passphrases flow in, keys flow out. A key is named by the SHA-256 of its 32 public bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from expunge.errors import InputError
from expunge.evidence.files import SECRET, check_private, read_file, write_new

SHOWN = 16  # of a key's name in names of files and in messages
KEY_BYTES = 1 << 16
NO_KEY = (ValueError, UnsupportedAlgorithm)


def raw_public(key: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a key: SHA-256 of its 32 public bytes, hexadecimal."""
    return hashlib.sha256(raw_public(key)).hexdigest()


def private_file(folder: Path, name: str) -> Path:
    """Where the private key `name` (a key id) lies in a folder of keys."""
    return folder / f"{name[:SHOWN]}.pem"


def public_file(folder: Path, name: str) -> Path:
    """Where its public key lies."""
    return folder / f"{name[:SHOWN]}.pub.pem"


def write_pair(folder: Path, key: Ed25519PrivateKey, passphrase: bytes | None) -> None:
    """Write a key pair: the private key as PKCS #8 with mode 600, encrypted where there is a passphrase.

    Raises:
        InputError: it cannot be written there.
    """
    name = key_id(key.public_key())
    locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_new(private_file(folder, name), private, "keys (--keys)", mode=SECRET)
    write_new(public_file(folder, name), public, "keys (--keys)")


def read_private(path: Path, passphrase: bytes | None, *, field: str = "key (--key)") -> Ed25519PrivateKey:
    """The private key of a file.

    Raises:
        InputError: no such file, one that others may read, another kind of key, or the wrong passphrase.
    """
    data = read_file(path, field, most=KEY_BYTES)
    try:
        key = load_pem_private_key(data, passphrase)
    except TypeError:  # a passphrase for an open key, or none for a locked one
        expected, came = ("one", "none") if passphrase is None else ("none, as the key has none", "one")
        raise InputError("passphrase (--passphrase-file)", expected=expected, came=came) from None
    except NO_KEY:
        expected = "an Ed25519 private key (PEM), and its passphrase where it has one"
        raise InputError(field, expected=expected, came=f"something else in {path}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(field, expected="an Ed25519 private key", came=f"another kind of key in {path}")
    check_private(path, field)
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """The public key of a file.

    Raises:
        InputError: no such file, or another kind of key.
    """
    field = "public key (--public-key)"
    try:
        key = load_pem_public_key(read_file(path, field, most=KEY_BYTES))
    except NO_KEY:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(field, expected="an Ed25519 public key (PEM)", came=f"something else in {path}")
    return key
