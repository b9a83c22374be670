"""How numbers and names are said to somebody who does not program.

Names, units and values flow in, words flow out. Nothing here decides whether a number is good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from expunge.types import AuditRow

MINUS = "\N{MINUS SIGN}"
NONE = "not estimable"


def number(value: float | None, unit: str, *, sign: bool = False) -> str:
    """A value with its unit, as short as honest.

    Example:
        >>> number(0.5361, "share"), number(0.731, "auroc"), number(0.02, "share", sign=True)
        ('53.6 %', '0.731', '+2.0 pts')
    """
    if value is None or not math.isfinite(value):
        return NONE
    if unit == "share":
        return _signed(100 * value, 1, sign) + (" pts" if sign else " %")
    text = _signed(value, 3, sign)
    return text if unit in ("", "auroc", "score", "nomus") else f"{text} {unit}"


def bounds(low: float | None, high: float | None, unit: str, *, sign: bool = False) -> str:
    """An interval in words; empty where there is none.

    Example:
        >>> bounds(0.5, 0.561, "share")
        '50.0 to 56.1'
    """
    if low is None or high is None:
        return ""
    factor, digits = (100, 1) if unit == "share" else (1, 3)
    return f"{_signed(factor * low, digits, sign)} to {_signed(factor * high, digits, sign)}"


def _signed(value: float, digits: int, sign: bool) -> str:
    text = f"{abs(value):.{digits}f}"
    zero = float(text) == 0
    if value < 0 and not zero:
        return MINUS + text
    return f"+{text}" if sign and not zero else text


def counted(n: int, singular: str, plural: str = "") -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "picture"), counted(1200, "person", "people")
        ('1 picture', '1,200 people')
    """
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def sentence(text: str) -> str:
    """A text that begins with a capital letter; names of settings in it lose their quotes.

    Example:
        >>> sentence("a pass over `batch_size` pictures.")
        'A pass over batch_size pictures.'
    """
    plain = text.replace("`", "")
    return plain[:1].upper() + plain[1:]


def sample(row: AuditRow) -> str:
    """How many pictures, and people where they were resampled, stand behind a row."""
    pictures = counted(row.n, "picture")
    return pictures if row.subjects is None else f"{pictures}, {counted(row.subjects, 'person', 'people')}"


def spoken_time(seconds: float | None) -> str:
    """A duration as one would say it.

    Example:
        >>> spoken_time(4.21), spoken_time(75), spoken_time(7300), spoken_time(None)
        ('4.2 s', '1 min 15 s', '2 h 1 min', 'not measured')
    """
    if seconds is None:
        return "not measured"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def plain_text(value: object) -> str:
    """A plain value as a cell of a table.

    Example:
        >>> plain_text(True), plain_text(None), plain_text((1, 2)), plain_text(0.05)
        ('yes', 'none', '1, 2', '0.05')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "" or value == () or value == []:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain_text(inner) for inner in value)
    return str(value)


def flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Nested mappings as rows `a.b`, text.

    Example:
        >>> flat({"a": {"b": 1}, "c": None})
        [('a.b', '1'), ('c', 'none')]
    """
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", plain_text(value)))
    return rows
