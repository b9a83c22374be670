"""Key files and the keyring: who may read them, which key was valid when, and what no keyring can be talked into."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from expunge.errors import InputError
from expunge.evidence.canonical import canonical, parse_canonical
from expunge.evidence.dsse import read_envelope, seal
from expunge.evidence.keyring import KIND, Keyring, begin, check_key, check_signer, read_keyring, revoke, rotate
from expunge.evidence.keys import key_id, private_file, public_file, raw_public, read_private, read_public, write_pair

FIRST, SECOND, THIRD = (Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32) for i in (1, 2, 3))
TIMES = [f"2026-0{month}-01T00:00:00Z" for month in range(1, 8)]


def name(key: Ed25519PrivateKey) -> str:
    return key_id(key.public_key())


def data(ring: Keyring) -> bytes:
    return b"".join(ring.lines)


def rotated() -> Keyring:
    """First from month 1, second from month 3."""
    return rotate(begin(FIRST, TIMES[0]), FIRST, SECOND.public_key(), TIMES[2])


def test_a_pair_is_written_for_its_owner_and_read_back(tmp_path: Path) -> None:
    write_pair(tmp_path, FIRST, None)
    private, public = private_file(tmp_path, name(FIRST)), public_file(tmp_path, name(FIRST))
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert raw_public(read_private(private, None).public_key()) == raw_public(read_public(public))
    assert name(FIRST) == hashlib.sha256(raw_public(FIRST.public_key())).hexdigest()
    with pytest.raises(InputError, match="there already"):
        write_pair(tmp_path, FIRST, None)


def test_a_passphrase_locks(tmp_path: Path) -> None:
    write_pair(tmp_path, FIRST, b"open sesame")
    place = private_file(tmp_path, name(FIRST))
    assert b"ENCRYPTED" in place.read_bytes()
    assert name(read_private(place, b"open sesame")) == name(FIRST)
    for wrong in (b"open barley", None):
        with pytest.raises(InputError, match="passphrase"):
            read_private(place, wrong)


def test_an_open_key_takes_no_passphrase(tmp_path: Path) -> None:
    write_pair(tmp_path, FIRST, None)
    with pytest.raises(InputError, match="the key has none"):
        read_private(private_file(tmp_path, name(FIRST)), b"x")


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, FIRST, None)
    place = private_file(tmp_path, name(FIRST))
    for mode in (0o640, 0o604, 0o620):
        place.chmod(mode)
        with pytest.raises(InputError, match="chmod 600"):
            read_private(place, None)


def test_other_keys_and_other_files_are_refused(tmp_path: Path) -> None:
    curve = generate_private_key(SECP256R1())
    private = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for text in (private, public, b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"x" * 70_000):
        place = tmp_path / "key.pem"
        place.write_bytes(text)
        place.chmod(0o600)
        with pytest.raises(InputError):
            read_private(place, None)
        with pytest.raises(InputError):
            read_public(place)
    with pytest.raises(InputError, match="readable"):
        read_public(tmp_path / "nowhere.pem")


def test_a_keyring_reads_back() -> None:
    ring = revoke(rotated(), SECOND, name(FIRST), TIMES[4], "lost a disk")
    found = read_keyring(data(ring))
    assert [record.name for record in found.records] == [name(FIRST), name(SECOND)]
    assert [record.until for record in found.records] == [TIMES[2], None]
    assert found.records[0].revoked == f"{TIMES[4]} (lost a disk)" and not found.records[1].revoked
    assert found.current.name == name(SECOND) and found.time == TIMES[4]


@pytest.mark.parametrize(
    ("key", "time", "stands"),
    [
        (FIRST, TIMES[0], True),
        (FIRST, TIMES[2], True),
        (FIRST, TIMES[3], False),  # after the rotation
        (SECOND, TIMES[1], False),  # before it was there
        (SECOND, TIMES[3], True),
        (THIRD, TIMES[3], False),
    ],
)
def test_a_key_is_valid_in_its_time(key: Ed25519PrivateKey, time: str, stands: bool) -> None:
    def check() -> None:
        assert key_id(check_key(rotated(), FIRST.public_key(), name(key), time)) == name(key)

    if stands:
        check()
    else:
        with pytest.raises(InputError, match="keyring"):
            check()


def test_nothing_of_a_revoked_key_stands() -> None:
    ring = revoke(rotated(), SECOND, name(FIRST), TIMES[4], "")
    with pytest.raises(InputError, match="revoked"):
        check_key(ring, FIRST.public_key(), name(FIRST), TIMES[0])
    assert check_key(ring, FIRST.public_key(), name(SECOND), TIMES[4])


def test_keys_before_the_trusted_one_are_not_trusted() -> None:
    """Otherwise anybody could sign a stranger's key in behind their own, and be trusted for it."""
    with pytest.raises(InputError, match="follows"):
        check_key(rotated(), SECOND.public_key(), name(FIRST), TIMES[1])
    with pytest.raises(InputError, match="another keyring"):
        check_key(rotated(), THIRD.public_key(), name(FIRST), TIMES[1])


def test_a_revoked_current_key_closes_the_keyring() -> None:
    ring = revoke(begin(FIRST, TIMES[0]), FIRST, name(FIRST), TIMES[1], "")
    with pytest.raises(InputError, match="current key"):
        rotate(ring, FIRST, SECOND.public_key(), TIMES[2])
    assert read_keyring(data(ring)).records[0].revoked


@pytest.mark.parametrize(
    ("key", "ring", "refused"),
    [
        (SECOND, rotated(), None),
        (FIRST, rotated(), f"rotated {TIMES[2]}"),
        (THIRD, rotated(), "not in it"),
        (FIRST, revoke(rotated(), SECOND, name(FIRST), TIMES[4], "lost"), f"revoked {TIMES[4]} .lost."),
        (SECOND, revoke(rotated(), SECOND, name(SECOND), TIMES[4], ""), "begin a new keyring"),
        (SECOND, rotate(rotated(), SECOND, THIRD.public_key(), TIMES[5]), "sign with that one"),
        (THIRD, rotate(rotated(), SECOND, THIRD.public_key(), TIMES[6]), f"the time {TIMES[5]}"),  # a clock gone wrong
    ],
)
def test_only_the_current_key_signs(key: Ed25519PrivateKey, ring: Keyring, refused: str | None) -> None:
    if refused is None:
        check_signer(ring, key.public_key(), TIMES[5])
    else:
        with pytest.raises(InputError, match=refused):
            check_signer(ring, key.public_key(), TIMES[5])


FAULTS: dict[str, Callable[[], object]] = {
    "a stranger rotates": lambda: rotate(begin(FIRST, TIMES[0]), THIRD, SECOND.public_key(), TIMES[1]),
    "a rotated key rotates": lambda: rotate(rotated(), FIRST, THIRD.public_key(), TIMES[3]),
    "a rotated key revokes": lambda: revoke(rotated(), FIRST, name(SECOND), TIMES[3], ""),
    "a key comes back": lambda: rotate(rotated(), SECOND, FIRST.public_key(), TIMES[3]),
    "a time before the last": lambda: rotate(rotated(), SECOND, THIRD.public_key(), TIMES[1]),
    "revoked twice": lambda: revoke(
        revoke(rotated(), SECOND, name(FIRST), TIMES[4], ""), SECOND, name(FIRST), TIMES[5], ""
    ),
    "an unknown key revoked": lambda: revoke(rotated(), SECOND, name(THIRD), TIMES[4], ""),
    "a long reason": lambda: revoke(rotated(), SECOND, name(FIRST), TIMES[4], "x" * 201),
    "a time in other words": lambda: begin(FIRST, "2026-1-1T00:00:00Z"),
    "nothing": lambda: read_keyring(b""),
    "the first line is gone": lambda: read_keyring(rotated().lines[1]),
    "the lines change places": lambda: read_keyring(b"".join(reversed(rotated().lines))),
    "a line twice": lambda: read_keyring(data(rotated()) + rotated().lines[1]),
    "a line is cut off": lambda: read_keyring(data(rotated())[:-1]),
    "an empty line": lambda: read_keyring(data(rotated()) + b"\n"),
    "a line of another ring": lambda: read_keyring(
        begin(FIRST, TIMES[0]).lines[0] + rotate(begin(FIRST, TIMES[1]), FIRST, SECOND.public_key(), TIMES[2]).lines[1]
    ),
    "another type": lambda: read_keyring(seal("text/plain", _said(rotated().lines[0]), FIRST)),
    "begins with a rotation": lambda: read_keyring(seal(KIND, _said(rotated().lines[0], event="rotate"), FIRST)),
    "a key under another name": lambda: read_keyring(seal(KIND, _said(rotated().lines[0], key=name(SECOND)), FIRST)),
    "a field more": lambda: read_keyring(seal(KIND, _said(rotated().lines[0], more=1), FIRST)),
}


def _said(line: bytes, **changes: object) -> bytes:
    said = parse_canonical(read_envelope(line, "line", kind=KIND).body, "line")
    return canonical({**said, **changes})


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_keyring_refuses(fault: str) -> None:
    with pytest.raises(InputError):
        FAULTS[fault]()


def test_every_byte_of_a_keyring_counts() -> None:
    whole = data(revoke(rotated(), SECOND, name(FIRST), TIMES[4], ""))
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(InputError):
            read_keyring(bytes(changed))
