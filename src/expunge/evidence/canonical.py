"""Canonical JSON: one value has one form in bytes, so that what is signed can be read in one way only.

The form is that of RFC 8785, of which a subset is allowed: null, true, false, whole numbers that a double holds
exactly, texts, lists, and mappings with names of printable ASCII. Fractions are texts (see `decimal`): no reader has to
agree with another on how digits are written. Bytes and plain values flow in and out; nothing here knows what they mean.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any

from expunge.errors import InputError

MOST_BYTES = 16 << 20
EXACT = 2**53 - 1
HEX = re.compile("[0-9a-f]{64}")
FORM = "canonical JSON (RFC 8785 without fractions)"


def canonical(value: Any) -> bytes:
    """The bytes of a value.

    Raises:
        ValueError: it has something in it that has no canonical form here.

    Example:
        >>> canonical({"b": [1, None], "a": "é"}).decode()
        '{"a":"é","b":[1,null]}'
    """
    _check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parse_canonical(data: bytes, field: str, *, most: int = MOST_BYTES) -> Any:
    """The value of canonical bytes.

    A name that stands twice, white space, another order or another spelling do not come out the same when they are
    written again; so comparing with that finds them all.

    Args:
        data: the bytes. field: what they are, for people. most: how many of them are read at all.

    Raises:
        InputError: they are too many, no JSON, or JSON in another form.

    Example:
        >>> parse_canonical(b'{"a":1}', "payload")
        {'a': 1}
    """
    if len(data) > most:
        raise InputError(field, expected=f"at most {most} bytes", came=str(len(data)))
    try:
        value = json.loads(data.decode())
        again = canonical(value)
    except (ValueError, RecursionError) as error:
        raise InputError(field, expected=FORM, came=_reason(error)) from None
    if again != data:
        raise InputError(field, expected=FORM, came="JSON in another form", remedy="use the file as it was written")
    return value


def check_fields(found: Any, names: set[str], field: str) -> None:
    """Refuse anything but a mapping with exactly these names.

    Raises:
        InputError: saying which fields are there.
    """
    if not isinstance(found, dict) or set(found) != names:
        came = ", ".join(sorted(found))[:200] or "none" if isinstance(found, dict) else type(found).__name__
        raise InputError(field, expected=f"the fields {', '.join(sorted(names))}", came=came)


def to_base64(data: bytes) -> str:
    """Bytes as text: base64 in the standard alphabet, with padding."""
    return base64.b64encode(data).decode()


def from_base64(text: Any, field: str) -> bytes:
    """The bytes of a text that `to_base64` wrote.

    Raises:
        InputError: it is another text, also where it would decode to the same bytes.
    """
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except ValueError:
        data = None
    if data is None or to_base64(data) != text:
        raise InputError(field, expected="base64 (standard alphabet, with padding)", came=repr(text)[:40])
    return data


def from_hex(text: Any, field: str) -> bytes:
    """The 32 bytes of a hash or nonce in lower-case hexadecimal.

    Raises:
        InputError: it is anything else.
    """
    if not isinstance(text, str) or HEX.fullmatch(text) is None:
        raise InputError(field, expected="64 hexadecimal digits", came=repr(text)[:80])
    return bytes.fromhex(text)


def decimal(value: float | None) -> str | None:
    """A measured number as the shortest text that reads back as the same double; None stays None.

    Example:
        >>> decimal(0.1 + 0.2), decimal(None)
        ('0.30000000000000004', None)
    """
    if value is None:
        return None
    if not math.isfinite(value):
        raise ValueError(f"no decimal text for {value}")
    return repr(float(value))


def _check(value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if not (isinstance(name, str) and name.isascii() and name.isprintable()):
                raise ValueError(f"a name that is not printable ASCII: {name!r}")
            _check(inner)
    elif isinstance(value, list):
        for inner in value:
            _check(inner)
    elif isinstance(value, int):
        if abs(value) > EXACT:
            raise ValueError("a whole number that a double does not hold")
    elif not (value is None or isinstance(value, str)):
        raise ValueError("a fraction" if isinstance(value, float) else f"a {type(value).__name__}")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "values nested too deeply"
    return "other bytes" if isinstance(error, UnicodeError) else str(error).splitlines()[0][:100]
