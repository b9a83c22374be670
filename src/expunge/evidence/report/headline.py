"""The statement at the top of the report: asked, done, found, not claimed, in sentences anybody can read.

Audit rows flow in, sentences flow out. A sentence never says more than its interval does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.evidence.report.asked import asked_sentences
from expunge.evidence.report.data import ReportData
from expunge.evidence.report.tables import by_key, floor_distance
from expunge.evidence.report.words import bounds, counted, number, spoken_time
from expunge.types import AuditRow

ATTACK = ("mia_auroc", "forget-vs-reporting")
TASK = ("accuracy", "reporting")
NOT_CLAIMED = (
    "That the pictures are removed with a mathematical guarantee (certified (ε, δ) removal).",
    "That any law is complied with. That is for a lawyer to judge; this report is evidence, not a verdict.",
    "That an attack which was not run here would fail.",
    "That pictures of these people which bear no label, or another name, were found.",
)


@dataclass(frozen=True)
class Headline:
    """Four answers, each a few sentences."""

    asked: tuple[str, ...]
    done: tuple[str, ...]
    found: tuple[str, ...]
    not_claimed: tuple[str, ...]


def headline(data: ReportData) -> Headline:
    """The statement of a report."""
    return Headline(asked_sentences(data), done(data), found(data), NOT_CLAIMED)


def done(data: ReportData) -> tuple[str, ...]:
    """What was done to the model, and at what price."""
    if not data.changed:
        return (f"Nothing. The method {data.method} ran but left every weight as it was.",)
    steps = sum(phase.steps for phase in data.phases)
    effort = f" in {counted(steps, 'step')}, {spoken_time(data.costs.method)}" if steps else ""
    cut = "It was cut off by its budget before it had finished." if data.budget_hit else ""
    text = f"The method {data.method} changed the model{effort}."
    return tuple(sentence for sentence in (text, data.method_summary, cut, _price(data)) if sentence)


def _price(data: ReportData) -> str:
    ratio = data.costs.ratio
    if ratio is None or data.costs.reference is None:
        return ""
    speed = f"{ratio:.1f} times as fast" if ratio >= 1 else f"{1 / ratio:.1f} times as slow"
    return f"Retraining without the erased pictures took {spoken_time(data.costs.reference)}: the method was {speed}."


def found(data: ReportData) -> tuple[str, ...]:
    """What was measured: the attack first, then what is left of the model's skill."""
    before, after = by_key(data.rows_before), by_key(data.rows_after)
    sentences = [*_attack(data, before.get(ATTACK), after.get(ATTACK)), *_skill(before.get(TASK), after.get(TASK))]
    if not data.has_reference:
        sentences.append("No retrained model was there to compare with: whether this equals retraining is not known.")
    return tuple(sentences)


def _attack(data: ReportData, before: AuditRow | None, after: AuditRow | None) -> Sequence[str]:
    if before is None or after is None or before.value is None or after.value is None:
        return ("The membership attack could not be measured on these pictures.",)
    now = (
        "Shown an erased picture and one that no model saw, an attacker who compares losses picked the erased one in "
        f"{100 * before.value:.0f} of 100 trials before, and picks it in {100 * after.value:.0f} now "
        f"({_between(after)}; a coin would be right in 50)."
    )
    if after.reference is None:
        return (now,)
    target = (
        f"With a model retrained without the erased pictures it is {100 * after.reference:.0f} in 100. "
        "That is the target, not 50: the people differ."
    )
    return (now, target, *_gap(data, after))


def _between(row: AuditRow) -> str:
    if row.low is None or row.high is None:
        return "no interval"
    return f"95 % interval {100 * row.low:.0f} to {100 * row.high:.0f}"


def _gap(data: ReportData, after: AuditRow) -> Sequence[str]:
    if after.gap is None or after.gap_low is None or after.gap_high is None:
        return ()
    interval = bounds(after.gap_low, after.gap_high, after.unit, sign=True)
    size = f"{number(after.gap, after.unit, sign=True)} (95 % interval {interval})"
    if after.gap_low <= 0 <= after.gap_high:
        text = f"The difference from retraining, {size}, cannot be told from zero with this many pictures."
    else:
        way = "more" if after.gap > 0 else "less"
        text = f"The difference from retraining, {size}, is not chance: this model shows {way} than a retrained one."
    return (text, *_floor(data, after.gap))


def _floor(data: ReportData, gap: float) -> Sequence[str]:
    distances = (floor_distance(row) for row in data.rows_floor if (row.name, row.split) == ATTACK)
    known = [abs(distance) for distance in distances if distance is not None]
    if not known:
        return ()
    floor = max(known)
    where = "no more than" if abs(gap) <= floor else "more than"
    return (f"That is {where} two retrained models differ from each other here (up to {floor:.3f}).",)


def _skill(before: AuditRow | None, after: AuditRow | None) -> Sequence[str]:
    if before is None or after is None or before.value is None or after.value is None:
        return ()
    now, was = number(after.value, "share"), number(before.value, "share")
    beside = f", {number(after.reference, 'share')} after retraining" if after.reference is not None else ""
    return (f"On never-seen pictures the model is right in {now} of cases now, {was} before{beside}.",)
