"""Pseudonyms: names as HMAC-SHA-256 under a key that lies outside the ledger. Names flow in, pseudonyms flow out.

Who holds the key can ask whether a given name is in the ledger; so pseudonyms are still personal data. A file holds
one key or several, one line each: the last one makes new pseudonyms, the others still recognise old ones. A key that
is dropped takes the link between people and its pseudonyms along (crypto-shredding), and so ends their retention; what
a backup or the medium still holds of the file is not known here and must be deleted there.

What names somebody by a detour, such as the hash of a job or the path of a file, is a pseudonym too: plain hashes of
names can be guessed.

Names that read the same are the same: they are brought into Unicode's form NFC first. Everything else counts, such as
case, blanks and marks of direction.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from expunge.errors import InputError
from expunge.evidence.canonical import canonical, check_fields, from_hex, parse_canonical
from expunge.evidence.files import SECRET, check_private, read_file, replace_file, write_new

FIELD = "pseudonym key (--pseudonym-key)"
KEY_BYTES, FILE_BYTES = 32, 1 << 20
ID_DIGITS = 16
Kind = Literal["subject", "picture", "job", "file"]


@dataclass(frozen=True)
class PseudonymKey:
    """A key.

    Args:
        secret: 32 bytes. made: when, in UTC.
    """

    secret: bytes
    made: str

    @property
    def name(self) -> str:
        """What the ledger calls it; tells nothing about the secret."""
        return hashlib.sha256(b"expunge pseudonym key\x00" + self.secret).hexdigest()[:ID_DIGITS]

    def pseudonym(self, kind: Kind, name: str) -> str:
        """The pseudonym of a name: id of the key, colon, HMAC-SHA-256 in hexadecimal.

        Example:
            >>> key = PseudonymKey(bytes(32), "2026-01-02T03:04:05Z")
            >>> key.pseudonym("subject", "Zo\u00eb") == key.pseudonym("subject", "Zoe\u0308")
            True
        """
        # any text that Python holds has bytes this way, also half a surrogate pair from a damaged file
        data = unicodedata.normalize("NFC", name).encode("utf-8", "surrogatepass")
        digest = hmac.new(self.secret, kind.encode() + b"\x00" + data, hashlib.sha256).hexdigest()
        return f"{self.name}:{digest}"

    def pseudonyms(self, kind: Kind, names: Iterable[str]) -> list[str]:
        """The pseudonyms of names, each once, in an order that tells nothing."""
        return sorted({self.pseudonym(kind, name) for name in names})


def new_key(path: Path, made: str) -> PseudonymKey:
    """A fresh key as the last line of a file, which is made where there is none.

    Raises:
        InputError: the file holds something else, others may read it, or it cannot be written.
    """
    key = PseudonymKey(secrets.token_bytes(KEY_BYTES), made)
    if path.exists():
        replace_file(path, _written([*read_keys(path), key]), mode=SECRET)
    else:
        write_new(path, _written([key]), FIELD, mode=SECRET)
    return key


def drop_key(path: Path, name: str) -> bool:
    """Take a key out of a file; whether it was there.

    Raises:
        InputError: the file holds something else, or others may read it.
    """
    keys = read_keys(path)
    kept = [key for key in keys if key.name != name]
    if len(kept) == len(keys):
        return False
    # over the old bytes first: a rename alone would leave them on the medium
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    replace_file(path, _written(kept), mode=SECRET)
    return True


def read_keys(path: Path) -> list[PseudonymKey]:
    """The keys of a file, oldest first.

    Raises:
        InputError: no such file, one that others may read, or something else in it.
    """
    if not path.exists():
        raise InputError(FIELD, expected="a file of keys", came=str(path), remedy="make one: expunge ledger key new")
    check_private(path, FIELD)
    return [_read_line(line) for line in read_file(path, FIELD, most=FILE_BYTES).splitlines()]


def _read_line(line: bytes) -> PseudonymKey:
    found = parse_canonical(line, FIELD)
    check_fields(found, {"made", "secret"}, FIELD)
    return PseudonymKey(from_hex(found["secret"], FIELD), str(found["made"]))


def _written(keys: Sequence[PseudonymKey]) -> bytes:
    return b"".join(canonical({"made": key.made, "secret": key.secret.hex()}) + b"\n" for key in keys)
