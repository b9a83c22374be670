"""The inventory of a purge: each thing that holds erased people, why, and what becomes of it.

Paths and words flow in, plain values flow out. Who recognises such things is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Fate = Literal["delete", "keep", "yours"]


@dataclass(frozen=True)
class Item:
    """A file that holds erased people, or would, had nobody made sure.

    Args:
        path: where. kind: what it is. holds: what of them it holds. reason: why that becomes of it.
        fate: `delete`; `keep`, since it may or must stay; `yours`, to be removed by whoever owns it.
        bytes: how large it is.
    """

    path: Path
    kind: str
    holds: str
    fate: Fate
    reason: str
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return {**vars(self), "path": str(self.path)}


@dataclass(frozen=True)
class Inventory:
    """Everything found below the roots, in order of fate and path.

    Args:
        items: what was found. notes: what could not be looked at, or could not be told apart.
    """

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    def of(self, fate: Fate) -> tuple[Item, ...]:
        """The items that end like this."""
        return tuple(item for item in self.items if item.fate == fate)

    @property
    def left(self) -> tuple[Item, ...]:
        """What still holds erased people and should not: after a purge there must be none."""
        return (*self.of("delete"), *self.of("yours"))


def visible(text: str) -> str:
    """A text without characters that are not shown or turn its direction: those are spelled out.

    Example:
        >>> visible("a\\x1bb")
        'a\\\\x1bb'
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def inventory(items: Sequence[Item], notes: Sequence[str] = ()) -> Inventory:
    """Items in order; of several about one file the first counts."""
    first = {item.path: item for item in reversed(items)}
    order = ("delete", "yours", "keep")
    ordered = sorted(first.values(), key=lambda item: (order.index(item.fate), item.kind, str(item.path)))
    return Inventory(tuple(ordered), tuple(notes))
