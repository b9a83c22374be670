"""Use case: what there is to choose from: methods and audits, straight from their registries."""

from __future__ import annotations

from expunge.app.measure import plain
from expunge.audits.registry import describe_audits
from expunge.methods.registry import describe_methods


def method_cards() -> list[dict[str, object]]:
    """Name, settings, cost, weaknesses and source of every method."""
    return [dict(plain(card)) for card in describe_methods()]


def audit_cards() -> list[dict[str, object]]:
    """Name, unit, direction, meaning and source of every audit."""
    return [dict(plain(card)) for card in describe_audits()]
