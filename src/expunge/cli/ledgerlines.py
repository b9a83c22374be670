"""Answers of `expunge ledger ...` as lines for people. Plain values flow in, text flows out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """Anything of a ledger as a line of text."""
    return _LINES[card["what"]](card)


def _told_run(card: Mapping[str, Any]) -> str:
    models = f"{_short(card['before'])} -> {card['after'][:SHOWN]}" if card["after"] else _short(card["before"])
    return f"{card['run'][:SHOWN]}  {card['kind']} {card['method']}  {models}  {_asked(card)}  {card['out']}"


def _told_model(card: Mapping[str, Any]) -> str:
    origin = f"{card['method']} of {_short(card['from'])}" if card["from"] else card["method"] or "not made here"
    numbers = f", requests {', '.join(map(str, card['requests']))}" if card["requests"] else ""
    return f"{card['model'][:SHOWN]}  {origin}{numbers}"


def _told_dataset(card: Mapping[str, Any]) -> str:
    counts = f"read by {len(card['runs'])} runs, which made {len(card['models'])} models"
    return f"{card['dataset'][:SHOWN]}  {counts}  {_asked(card)}"


def _told_attestation(card: Mapping[str, Any]) -> str:
    return f"{card['attestation'][:SHOWN]}  of run {card['run'][:SHOWN]}  {_asked(card)}  {card['out']}"


def _told_step(step: Mapping[str, Any]) -> str:
    """How a model came to be, as a line of text such as `B = erase(A, request 7) by scrub`."""
    parts = [parent[:SHOWN] for parent in step["from"]] + [f"request {number}" for number in step["requests"]]
    method = f" by {step['method']}" if step["method"] else ""
    return f"{step['model'][:SHOWN]} = {step['by']}({', '.join(parts)}){method}"


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
        where = f"the model to use is in {one.run}" if one.run else "no model of its line is where it was written"
        how = f"already erased{attested}; {where}" if one.already else f"erased by {one.run}"
        lines.append(f"{', '.join(map(str, one.requests)):>6}  {how}")
    lines += [f"{number:>6}  stays open: {why}" for number, why in found.left.items()]
    drift = [told_drift({"model": found.model, "drift": found.drift})] if found.drift else []
    return [*(lines or ["no open requests"]), *drift]


def told_shown(card: Mapping[str, Any]) -> list[str]:
    """Something with what it came from and all that happened to it."""
    return [
        f"{card['what']} {told_item(card).strip()}",
        *([told_drift(card)] if card.get("drift") else []),
        *(f"  {_told_step(step)}" for step in card.get("lineage", ())),
        *map(_told_event, card["events"]),
    ]


def _told_event(event: Mapping[str, Any]) -> str:
    fields = event["fields"]
    said = fields.get("reason") or fields.get("out") or fields.get("attestation", "")[:SHOWN]
    return f"  {event['time']}  {event['kind']}  {said}".rstrip()


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


def _asked(card: Mapping[str, Any]) -> str:
    return f"requests: {', '.join(map(str, card['requests'])) or 'none'}"


_LINES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "request": told_request,
    "run": _told_run,
    "model": _told_model,
    "dataset": _told_dataset,
    "attestation": _told_attestation,
}
