"""How far retrained references lie apart: variation over training seeds, kept apart from that over people drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.types import AuditRow

BETWEEN = ("distance", "js_divergence", "attack_gap")  # between references, not of one: that is the retrain floor


@dataclass(frozen=True)
class ReferenceSpread:
    """One value over all references.

    Args:
        name, split: of the audit value.
        lowest, highest: among the references; no interval, since references are few.
        references: how many.
    """

    name: str
    split: str
    lowest: float
    highest: float
    references: int


def reference_spread(references: Sequence[Sequence[AuditRow]]) -> tuple[ReferenceSpread, ...]:
    """Lowest and highest of every value that is a reference's own; nothing for fewer than two references."""
    made = []
    for first in references[0] if len(references) > 1 else ():
        if first.name in BETWEEN:
            continue
        same = [r.value for rows in references for r in rows if (r.name, r.split) == (first.name, first.split)]
        known = [value for value in same if value is not None]
        if known:
            made.append(ReferenceSpread(first.name, first.split, min(known), max(known), len(known)))
    return tuple(made)
