"""What is told about a measured value; the list of all of them is the registry."""

from __future__ import annotations

from dataclasses import dataclass

from expunge.types import Direction


@dataclass(frozen=True)
class Audit:
    """A measured value: name, unit, which values are good, what it says, where it comes from."""

    name: str
    title: str
    unit: str
    direction: Direction
    description: str
    source: str
