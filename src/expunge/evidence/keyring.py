"""The keyring: a file of signed lines that say which key was valid from when to when.

Each line is an envelope that carries the hash of the line before it: the first key signs itself in, every next key is
signed in by the one before (a rotation), and the current key says which keys are revoked. What a rotated key signed
while it was current stands; of a revoked key nothing stands, since whoever stole it writes any date.

What a reader cannot know from the file alone: whether there are later lines, hence whether a key was revoked since; and
whether the holder of a stolen key went on with a keyring of their own. So take it from where its owner publishes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from expunge.errors import InputError
from expunge.evidence.canonical import canonical, check_fields, from_base64, parse_canonical, to_base64
from expunge.evidence.dsse import check_signature, read_envelope, seal
from expunge.evidence.keys import SHOWN, key_id, raw_public

KIND = "urn:uuid:5d1f7a0e-8a2c-4c67-9b0b-1f3f4f7f2c11#expunge-keyring-v1"
FIELDS = {"event", "key", "previous", "public", "reason", "time"}
FIELD = "keyring"
TIME = "%Y-%m-%dT%H:%M:%SZ"
REASON = 200  # characters


@dataclass(frozen=True)
class KeyRecord:
    """What a keyring says about a key.

    Args:
        name: its id. public: the key.
        since, until: first and last moment at which it was the current key, in UTC; `until` is None while it is.
        revoked: when and why it was revoked; empty while it is not.
    """

    name: str
    public: Ed25519PublicKey
    since: str
    until: str | None = None
    revoked: str = ""


@dataclass(frozen=True)
class Keyring:
    """A keyring that was read and checked.

    Args:
        lines: as they stand in the file. records: its keys in the order in which they became current.
        time: of the last line.
    """

    lines: tuple[bytes, ...]
    records: tuple[KeyRecord, ...]
    time: str

    @property
    def current(self) -> KeyRecord:
        """The key that signs now.

        Raises:
            InputError: it was revoked, which closes the keyring.
        """
        last = self.records[-1]
        if last.revoked:
            remedy = "begin a new keyring, and tell everybody its public key"
            raise InputError(FIELD, expected="a current key", came=f"one revoked {last.revoked}", remedy=remedy)
        return last

    def find(self, name: str) -> KeyRecord:
        """The key whose id begins with `name`.

        Raises:
            InputError: there is none, or several.
        """
        found = [record for record in self.records if name and record.name.startswith(name)]
        if len(found) != 1:
            known = ", ".join(record.name[:SHOWN] for record in self.records)
            raise InputError("key id (--key-id)", expected=f"one of {known}", came=repr(name)[:80])
        return found[0]


def utc(moment: datetime) -> str:
    """A moment as text, to the second.

    Example:
        >>> utc(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
        '2026-01-02T03:04:05Z'
    """
    return moment.astimezone(UTC).strftime(TIME)


def check_time(text: Any, field: str) -> str:
    """Refuse what is not a moment in UTC as `utc` writes it.

    Raises:
        InputError: it is something else.
    """
    try:
        # the second half refuses what reads as a moment but is written otherwise, such as days of one digit
        if isinstance(text, str) and datetime.strptime(text, TIME).strftime(TIME) == text:
            return text
    except ValueError:
        pass
    raise InputError(field, expected="a moment like 2026-01-02T03:04:05Z", came=repr(text)[:40])


def begin(key: Ed25519PrivateKey, time: str) -> Keyring:
    """A new keyring with one key."""
    return _add(None, "new", key.public_key(), key, time, "")


def rotate(ring: Keyring, key: Ed25519PrivateKey, new: Ed25519PublicKey, time: str) -> Keyring:
    """The keyring with `new` as its current key, signed by the one that was current."""
    return _add(ring, "rotate", new, key, time, "")


def revoke(ring: Keyring, key: Ed25519PrivateKey, name: str, time: str, reason: str) -> Keyring:
    """The keyring that says that nothing signed by key `name` stands, signed by the current key."""
    return _add(ring, "revoke", ring.find(name).public, key, time, reason)


def read_keyring(data: bytes) -> Keyring:
    """A keyring, every line of it checked.

    Raises:
        InputError: naming the first line that is not as it must be.
    """
    if not data:
        raise InputError(FIELD, expected="at least one line", came="none")
    first, *others = data.splitlines(keepends=True)
    ring = _read_line(None, first)
    for line in others:
        ring = _read_line(ring, line)
    return ring


def check_key(ring: Keyring, anchor: Ed25519PublicKey, name: str, time: str) -> Ed25519PublicKey:
    """The key `name`, if it follows from the trusted key `anchor` and was current at `time`.

    Keys before the anchor are not trusted: whoever made them could have signed the anchor in.

    Raises:
        InputError: the anchor or the key is not there, it was not current at that time, or it was revoked.
    """
    names = [record.name for record in ring.records]
    trusted = key_id(anchor)
    if trusted not in names:
        raise InputError(FIELD, expected=f"one with the key {trusted[:SHOWN]}", came="another keyring")
    records = {record.name: record for record in ring.records[names.index(trusted) :]}
    if name not in records:
        raise InputError(FIELD, expected=f"a key that follows from {trusted[:SHOWN]}", came=repr(name)[:80])
    record = records[name]
    if record.revoked:
        raise InputError(FIELD, expected="a key that stands", came=f"{name[:SHOWN]}, revoked {record.revoked}")
    if time < record.since or (record.until is not None and time > record.until):
        span = f"from {record.since} to {record.until or 'now'}"
        raise InputError(FIELD, expected=f"something signed {span} with {name[:SHOWN]}", came=f"the time {time}")
    return record.public


def check_signer(ring: Keyring, key: Ed25519PublicKey, time: str) -> None:
    """Refuse a key with which nothing should be signed at `time`, since no reader of the keyring would trust it.

    Raises:
        InputError: it is not the current one, or was not yet, or the keyring is closed.
    """
    current, name = ring.current, key_id(key)
    if name == current.name:
        check_key(ring, key, name, time)
        return
    told = {r.name: f"revoked {r.revoked}" if r.revoked else f"rotated {r.until}" for r in ring.records}
    came = f"{name[:SHOWN]}, {told.get(name, 'which is not in it')}"
    expected, remedy = f"the keyring's current key {current.name[:SHOWN]}", "sign with that one"
    raise InputError("key (--key)", expected=expected, came=came, remedy=remedy)


def _add(
    ring: Keyring | None, event: str, public: Ed25519PublicKey, signer: Ed25519PrivateKey, time: str, reason: str
) -> Keyring:
    statement = {
        "event": event,
        "key": key_id(public),
        "previous": _previous(ring),
        "public": to_base64(raw_public(public)),
        "reason": reason,
        "time": time,
    }
    return _read_line(ring, seal(KIND, canonical(statement), signer))


def _previous(ring: Keyring | None) -> str:
    """What a line says about the one before it."""
    return "" if ring is None else hashlib.sha256(ring.lines[-1]).hexdigest()


def _read_line(ring: Keyring | None, line: bytes) -> Keyring:
    field = f"{FIELD}, line {1 if ring is None else len(ring.lines) + 1}"
    envelope = read_envelope(line, field, kind=KIND)
    said = parse_canonical(envelope.body, field)
    check_fields(said, FIELDS, field)
    public = _public(said, field)
    signer = ring.current.public if ring is not None else public
    check_signature(envelope, signer, field)
    if said["previous"] != _previous(ring):
        raise InputError(field, expected="the line that follows the one before", came="another one")
    time = check_time(said["time"], field)
    if ring is not None and time < ring.time:
        raise InputError(field, expected=f"a time after {ring.time}", came=time)
    records = _after(ring, said, public, field)
    return Keyring((*(ring.lines if ring is not None else ()), line), records, time)


def _public(said: dict[str, Any], field: str) -> Ed25519PublicKey:
    """The key that a line is about."""
    try:
        public = Ed25519PublicKey.from_public_bytes(from_base64(said["public"], field))
    except ValueError:
        raise InputError(field, expected="an Ed25519 public key", came=repr(said["public"])[:60]) from None
    if said["key"] != key_id(public):
        raise InputError(field, expected="the id of its key", came=repr(said["key"])[:80])
    return public


def _after(ring: Keyring | None, said: dict[str, Any], public: Ed25519PublicKey, field: str) -> tuple[KeyRecord, ...]:
    """The keys after a line."""
    time, reason = said["time"], said["reason"]
    if not isinstance(reason, str) or len(reason) > REASON:
        raise InputError(field, expected=f"a reason of at most {REASON} characters", came=repr(reason)[:80])
    fresh = KeyRecord(said["key"], public, time)
    known = {} if ring is None else {record.name: record for record in ring.records}
    match said["event"], ring:
        case "new", None:
            return (fresh,)
        case "rotate", Keyring() if fresh.name not in known:
            *before, last = known.values()
            return (*before, replace(last, until=time), fresh)
        case "revoke", Keyring() if fresh.name in known and not known[fresh.name].revoked:
            told = f"{time} ({reason})" if reason else time
            return tuple(replace(r, revoked=told) if r.name == fresh.name else r for r in known.values())
    raise InputError(
        field, expected="new first, then rotate or revoke", came=f"{said['event']!r} of {fresh.name[:SHOWN]}"
    )
