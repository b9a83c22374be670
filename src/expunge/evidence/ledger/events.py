"""Events: what a ledger holds, in one form, each chained to the one before by its hash.

Kinds and plain values flow in; checked events, their bytes and their hashes flow out. Which event may follow which is
said in `register`.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from expunge.errors import InputError
from expunge.evidence.canonical import canonical, check_fields, decimal, from_hex
from expunge.evidence.ledger.deadlines import read_day

GENESIS = "0" * 64
NOTE, REASON, PATH = 200, 2000, 4096  # characters
MOST_NAMES = 100_000
RUN_KINDS = ("train", "erase", "audit")
PSEUDONYM = re.compile("[0-9a-f]{16}:[0-9a-f]{64}")
KEY_NAME = re.compile("[0-9a-f]{16}")
# invisible marks that turn the direction of text: a reason must read as it was written
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
Check = Callable[[Any, str], None]


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Args:
        sequence: 1, 2, 3 ... time: when it was written down, in UTC. kind: one of `KINDS`.
        body: its fields as plain values. previous: hash of the event before it.
    """

    sequence: int
    time: str
    kind: str
    body: Mapping[str, Any]
    previous: str

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON of all its fields, hexadecimal."""
        return hashlib.sha256(canonical({**vars(self), "body": dict(self.body)})).hexdigest()


def check_text(value: Any, field: str, *, most: int) -> None:
    """Refuse what is no text, is too long, or holds characters that are not shown.

    Raises:
        InputError: saying which.
    """
    if not isinstance(value, str):
        raise InputError(field, expected="a text", came=type(value).__name__)
    if len(value) > most:
        raise InputError(field, expected=f"at most {most} characters", came=f"{len(value)}")
    for letter in value:
        if letter != "\n" and (unicodedata.category(letter) in ("Cc", "Cs") or letter in TURNING):
            raise InputError(field, expected="characters that can be seen", came=f"U+{ord(letter):04X}")


def check_body(kind: str, body: Any) -> None:
    """Refuse a body that does not have the fields of its kind.

    Raises:
        InputError: naming the first field that is not as it must be.
    """
    if kind not in KINDS:
        raise InputError("event", expected=f"one of {', '.join(KINDS)}", came=repr(kind)[:80])
    check_fields(body, set(KINDS[kind]), kind)
    for name, check in KINDS[kind].items():
        check(body[name], FLAGS.get(name, name))


def mentions(kind: str, body: Mapping[str, Any]) -> Iterator[str]:
    """What an event is about, as names to look it up by; a name may come twice.

    Example:
        >>> list(mentions("request-withdrawn", {"request": 7, "reason": ""}))
        ['request:7']
    """
    numbers = body["requests"] if "requests" in body else [body["request"]] if "request" in body else []
    yield from (f"request:{number}" for number in numbers)
    for who in ("subject", "picture"):
        for pseudonym in body.get(f"{who}s", []):
            yield f"{who}:{pseudonym}"
            yield f"key:{pseudonym.partition(':')[0]}"
    for name in ("run", "data", "key"):
        if name in body:
            yield f"{name}:{body[name]}"
    yield from (f"run:{run}" for run in body.get("runs", []))
    if kind in ("run-began", "run-finished"):
        yield from (f"model:{model}" for model in (*body["before"], body.get("after")) if model)


def _number(value: Any, field: str) -> None:
    if type(value) is not int or value < 1:
        raise InputError(field, expected="a number from 1", came=repr(value)[:40])


def _day(value: Any, field: str) -> None:
    read_day(value, field)


def _count(value: Any, field: str) -> None:
    if type(value) is not int or value < 0:
        raise InputError(field, expected="a number from 0", came=repr(value)[:40])


def _share(value: Any, field: str) -> None:
    # fractions are texts in canonical JSON; those that a double writes, so that one number has one form
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        number = math.nan
    if not (0 <= number <= 1 and decimal(number) == value):
        raise InputError(field, expected="a share from 0.0 to 1.0 as a text", came=repr(value)[:40])


def _hash(value: Any, field: str) -> None:
    from_hex(value, field)


def _perhaps_hash(value: Any, field: str) -> None:
    if value is not None:
        from_hex(value, field)


def _matching(pattern: re.Pattern[str], what: str) -> Check:
    def check(value: Any, field: str) -> None:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise InputError(field, expected=what, came=repr(value)[:80])

    return check


def _text(most: int) -> Check:
    return lambda value, field: check_text(value, field, most=most)


def _one_of(*allowed: str) -> Check:
    return _matching(re.compile("|".join(allowed)), f"one of {', '.join(allowed)}")


def _list(check: Check) -> Check:
    """A list without repetitions, in order: one set has one form."""

    def check_list(value: Any, field: str) -> None:
        if not isinstance(value, list) or len(value) > MOST_NAMES:
            came = str(len(value)) if isinstance(value, list) else type(value).__name__
            raise InputError(field, expected=f"a list of at most {MOST_NAMES}", came=came)
        for entry in value:
            check(entry, field)
        if value != sorted(set(value)):
            raise InputError(field, expected="each once, in order", came="another list")

    return check_list


def _table(**columns: Check) -> Check:
    """A list of mappings with these fields."""

    def check_table(value: Any, field: str) -> None:
        if not isinstance(value, list) or len(value) > MOST_NAMES:
            raise InputError(field, expected=f"a list of at most {MOST_NAMES}", came=type(value).__name__)
        for line in value:
            check_fields(line, set(columns), field)
            for name, check in columns.items():
                check(line[name], f"{field}: {name}")

    return check_table


_pseudonym = _matching(PSEUDONYM, "a pseudonym")
_path = _text(PATH)
# how the user writes a field, where it is called otherwise
FLAGS: Mapping[str, str] = {"reason": "reason (--reason)", "note": "note (--note)"}
KINDS: Mapping[str, Mapping[str, Check]] = {
    "request-received": {
        "request": _number,
        "received": _day,
        "due": _day,
        "subjects": _list(_pseudonym),
        "pictures": _list(_pseudonym),
        "note": _text(NOTE),
    },
    "request-extended": {"request": _number, "due": _day, "reason": _text(REASON)},
    "request-withdrawn": {"request": _number, "reason": _text(REASON)},
    "request-closed": {"request": _number, "reason": _text(REASON)},
    "run-began": {"request": _number, "out": _path, "job": _pseudonym, "data": _hash, "before": _list(_hash)},
    "run-finished": {
        "run": _hash,
        "kind": _one_of(*RUN_KINDS),
        "requests": _list(_number),
        "out": _path,
        "data": _hash,
        "before": _list(_hash),
        "after": _perhaps_hash,
        "method": _text(NOTE),
    },
    "already-erased": {"request": _number, "runs": _list(_hash)},
    "attested": {"run": _hash, "attestation": _hash},
    "drift-measured": {
        "run": _hash,
        "tuning_before": _share,
        "tuning_after": _share,
        "forget": _count,
        "retain": _count,
        "limit_accuracy_lost": _share,
        "limit_share_erased": _share,
    },
    "purged": {
        "requests": _list(_number),
        "removed": _list(_pseudonym),
        "kept": _table(file=_pseudonym, why=_text(REASON)),
    },
    "key-dropped": {"key": _matching(KEY_NAME, "the id of a key")},
}
