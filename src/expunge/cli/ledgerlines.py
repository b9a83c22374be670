"""Answers of `expunge ledger ...` as lines for people. Plain values flow in, text flows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from expunge.app.pending import Outcome

SHOWN = 16


def told_request(card: Mapping[str, Any]) -> str:
    """A request as a line of text."""
    left = card["days_left"]
    when = "" if left is None else f" ({left} days left)" if left >= 0 else f" (OVERDUE by {-left} days)"
    who = f"{card['subjects']} subjects, {card['pictures']} pictures"
    runs = f", {len(card['runs'])} runs" if card["runs"] else ""
    return f"{card['request']:>6}  {card['state']:<9}  due {card['due']}{when}  {who}{runs}  {card['note']}".rstrip()


def told_item(card: Mapping[str, Any]) -> str:
    """A request, a run or a model as a line of text."""
    if "run" in card:
        models = (
            f"{_short(card['before'])} -> {str(card['after'])[:SHOWN]}" if card["after"] else _short(card["before"])
        )
        numbers = ", ".join(map(str, card["requests"])) or "none"
        return f"{card['run'][:SHOWN]}  {card['kind']} {card['method']}  {models}  requests: {numbers}  {card['out']}"
    if "model" in card:
        origin = f"{card['method']} of {_short(card['from'])}" if card["from"] else card["method"] or "not made here"
        numbers = f", requests {', '.join(map(str, card['requests']))}" if card["requests"] else ""
        return f"{card['model'][:SHOWN]}  {origin}{numbers}"
    return told_request(card)


def told_drift(card: Mapping[str, Any]) -> str:
    """How far a model is from its last training, as a line of text."""
    drift = card["drift"]
    sums = f"{drift['erasures']} erasures, tuning accuracy {-drift['accuracy_lost']:+.3f}"
    advice = f"; TRAIN ANEW: {'; '.join(drift['reasons'])}" if drift["retrain"] else ""
    return f"{card['model'][:SHOWN]}  since its last training {sums}, {drift['share_erased']:.1%} erased{advice}"


def told_outcome(found: Outcome) -> list[str]:
    """What came of all open requests."""
    lines = []
    for one in found.answered:
        attested = f", attestation {one.attestation[:SHOWN]}" if one.attestation else ""
        how = f"already erased by {one.run}{attested}" if one.already else f"erased by {one.run}"
        lines.append(f"{', '.join(map(str, one.requests)):>6}  {how}")
    lines += [f"{number:>6}  stays open: {why}" for number, why in found.left.items()]
    drift = [told_drift({"model": found.model, "drift": found.drift})] if found.drift else []
    return [*(lines or ["no open requests"]), *drift]


def told_shown(card: Mapping[str, Any]) -> list[str]:
    """Something with all that happened to it."""
    events = (
        f"  {event['time']}  {event['kind']}  {event['fields'].get('reason', '')}".rstrip() for event in card["events"]
    )
    return [told_item(card), *([told_drift(card)] if card.get("drift") else []), *events]


def told_key(card: Mapping[str, Any]) -> str:
    """A key as a line of text."""
    return f"{card['key']}  {card['state']}{'' if card['used'] else ', not used yet'}"


def told_check(answer: Mapping[str, Any]) -> list[str]:
    """What was checked, and what was not."""
    counts = f"{answer['events']} events, {answer['requests']} requests, {answer['runs']} runs: the chain holds"
    if answer["head"]:
        return [counts, f"up to event {answer['head']} nothing was changed or removed since the head was signed"]
    return [counts, "without --head nobody can tell whether the last events were removed or all was written anew"]


def _short(models: Sequence[str]) -> str:
    return ", ".join(model[:SHOWN] for model in models)
