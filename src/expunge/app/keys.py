"""Use cases around keys: a folder with key pairs and the keyring that says which of them is valid when.

Folders, passphrases and times flow in; what the keyring then says flows out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from expunge.errors import InputError
from expunge.evidence.files import read_file, replace_file, write_new
from expunge.evidence.keyring import KeyRecord, Keyring, begin, check_signer, read_keyring, revoke, rotate, utc
from expunge.evidence.keys import private_file, public_file, read_private, write_pair

KEYRING, KEYRING_BYTES = "keyring.jsonl", 1 << 20
FIELD = "keys (--keys)"
Clock = Callable[[], datetime]


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class KeyFolder:
    """A folder of keys.

    Args:
        place: the folder. passphrase: of all its private keys; None where they have none. clock: says what time it is.
    """

    place: Path
    passphrase: bytes | None = None
    clock: Clock = now

    @property
    def keyring(self) -> Path:
        """The file to publish beside the first public key."""
        return self.place / KEYRING

    def read(self) -> Keyring:
        """The keyring.

        Raises:
            InputError: there is none, or it is damaged.
        """
        return keyring_of(self.keyring, FIELD)

    def new(self) -> Keyring:
        """Begin with a first key.

        Raises:
            InputError: there is a keyring already, or nothing can be written.
        """
        if self.keyring.exists():
            remedy = "a key follows another with `expunge keys rotate`"
            raise InputError(FIELD, expected="a folder without a keyring", came=str(self.place), remedy=remedy)
        try:
            self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            came = f"{self.place} ({error.strerror})"
            raise InputError(FIELD, expected="a folder that can be made", came=came) from None
        key = Ed25519PrivateKey.generate()
        ring = begin(key, utc(self.clock()))
        write_pair(self.place, key, self.passphrase)
        write_new(self.keyring, b"".join(ring.lines), FIELD)
        return ring

    def rotate(self) -> Keyring:
        """Let a new key follow the current one.

        Raises:
            InputError: the current key was revoked or cannot be read.
        """
        ring, key = self._current()
        new = Ed25519PrivateKey.generate()
        after = rotate(ring, key, new.public_key(), utc(self.clock()))
        # the pair first: a keyring that names a key which nobody has would be closed for ever
        write_pair(self.place, new, self.passphrase)
        return self._write(after)

    def revoke(self, name: str, reason: str) -> Keyring:
        """Say that nothing signed by the key whose id begins with `name` stands.

        Raises:
            InputError: no such key, or the current key was revoked or cannot be read.
        """
        ring, key = self._current()
        return self._write(revoke(ring, key, ring.find(name).name, utc(self.clock()), reason))

    def _current(self) -> tuple[Keyring, Ed25519PrivateKey]:
        ring = self.read()
        place = private_file(self.place, ring.current.name)
        return ring, read_private(place, self.passphrase, field=FIELD)

    def _write(self, ring: Keyring) -> Keyring:
        replace_file(self.keyring, b"".join(ring.lines))
        return ring


def keyring_of(path: Path, field: str) -> Keyring:
    """The keyring of a file.

    Raises:
        InputError: there is none, or it is damaged.
    """
    return read_keyring(read_file(path, field, most=KEYRING_BYTES))


def check_current(key: Ed25519PublicKey, file: Path, keyring: Path | None, clock: Clock) -> bool:
    """Refuse to sign with a key that its keyring does not call the current one; False where no keyring is known.

    Args:
        key: the key. file: of its private half. clock: says what time it is.
        keyring: file of its keyring; the one beside the key where None.

    Raises:
        InputError: another key is the current one, or the keyring is closed, damaged or not there.
    """
    beside = file.resolve().parent / KEYRING
    place = keyring or (beside if beside.exists() else None)
    if place is not None:
        check_signer(keyring_of(place, "keyring (--keyring)"), key, utc(clock()))
    return place is not None


def passphrase_of(path: Path | None) -> bytes | None:
    """The first line of a file, without its end; None where there is no file.

    Raises:
        InputError: it cannot be read, or is empty.
    """
    if path is None:
        return None
    field = "passphrase (--passphrase-file)"
    text = read_file(path, field, most=4096).split(b"\n")[0].removesuffix(b"\r")
    if not text:
        raise InputError(field, expected="a passphrase in the first line", came="none")
    return text


def card(folder: KeyFolder, record: KeyRecord) -> dict[str, Any]:
    """What there is to say about a key, as plain values."""
    state = f"revoked {record.revoked}" if record.revoked else "current" if record.until is None else "rotated"
    return {
        "name": record.name,
        "state": state,
        "since": record.since,
        "until": record.until,
        "public_key": str(public_file(folder.place, record.name)),
    }
