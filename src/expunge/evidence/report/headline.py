"""The statement at the top of the report: asked, done, found, not claimed, in sentences anybody can read.

Audit rows flow in, sentences flow out. A sentence never says more than its interval does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.evidence.report.data import ReportData
from expunge.evidence.report.judged import NONE_MADE, judged
from expunge.evidence.report.tables import by_key, floor_distance, reference_spread
from expunge.evidence.report.words import counted, number, spoken_time
from expunge.types import AuditRow

ATTACK = ("mia_auroc", "forget-vs-reporting")
TASK = ("accuracy", "reporting")
NOT_CLAIMED = (
    "That the pictures are removed with a mathematical guarantee (certified (ε, δ) removal).",
    "That any law is complied with. That is for a lawyer to judge; this report is evidence, not a legal opinion.",
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
    return Headline(asked(data), done(data), found(data), NOT_CLAIMED)


def asked(data: ReportData) -> tuple[str, ...]:
    """What the request said; lists are counted here and shown in full further down."""
    parts = []
    for key, value in data.request.items():
        name = key.replace("_", " ")
        if isinstance(value, list | tuple):
            parts += [f"{len(value):,} {name}"] if len(value) else []
        elif value is not None and value != "":
            parts.append(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}")
    listed = "; ".join(parts)
    what = "To make a trained image classifier forget pictures that it had learned from."
    return (what, f"The request: {listed}.") if listed else (what,)


def done(data: ReportData) -> tuple[str, ...]:
    """What was done to the model, and at what price."""
    if not data.changed:
        return (f"Nothing. The method {data.method} ran but left every weight as it was.",)
    steps = sum(phase.steps for phase in data.phases)
    effort = f"in {counted(steps, 'step')} and {spoken_time(data.costs.method)}" if steps else ""
    text = f"The method {data.method} changed the model {effort}".strip() + "."
    cut = "It was cut off by its budget before it had finished." if data.budget_hit else ""
    return (text, cut) if cut else (text,)


def found(data: ReportData) -> tuple[str, ...]:
    """The verdict; then what was measured: the attack, and what is left of the model's skill."""
    before, after = by_key(data.rows_before), by_key(data.rows_after)
    attack = _attack(data, before.get(ATTACK), after.get(ATTACK))
    sentences = [_verdict(data), *attack, *_skill(before.get(TASK), after.get(TASK))]
    if not data.has_reference:
        sentences.append("No retrained model was there to compare with: whether this equals retraining is not known.")
    return tuple(sentences)


def _verdict(data: ReportData) -> str:
    verdict = judged(data.verdict, data.descriptions)
    if verdict is None:
        return NONE_MADE
    return f"Verdict: {' '.join(verdict.says)}"


def _attack(data: ReportData, before: AuditRow | None, after: AuditRow | None) -> Sequence[str]:
    if before is None or after is None or before.value is None or after.value is None:
        return ("The membership attack could not be measured on these pictures.",)
    now = (
        f"Shown an erased picture and one the model never saw, an attacker who compares losses told them apart "
        f"{_times(before.value)} before, and does so {_times(after.value)} now."
    )
    if after.reference is None:
        return (now,)
    beside = (
        f"Against a model retrained without the erased pictures it is {_times(after.reference)}: "
        "that is the target, not 50."
    )
    return (now, beside, *_gap(data, after))


def _times(auroc: float) -> str:
    return f"{100 * auroc:.0f} times in 100"


def _gap(data: ReportData, after: AuditRow) -> Sequence[str]:
    if after.gap is None or after.gap_low is None or after.gap_high is None:
        return ()
    size = f"{number(after.gap, 'auroc', sign=True)} (95 % interval {after.gap_low:+.3f} to {after.gap_high:+.3f})"
    size = size.replace("-", "\N{MINUS SIGN}")
    if after.gap_low <= 0 <= after.gap_high:
        text = f"The difference from retraining, {size}, cannot be told from zero with this many pictures."
    else:
        text = f"The difference from retraining, {size}, is more than chance explains: NOT like retraining."
    return (text, *_floor(data, after.gap))


def _floor(data: ReportData, gap: float) -> Sequence[str]:
    distances = (floor_distance(row) for row in data.rows_floor if (row.name, row.split) == ATTACK)
    found = [abs(distance) for distance in distances if distance is not None]
    spread = reference_spread(data, ATTACK)
    if not found and spread is None:
        return ()
    floor = max([*found, *([] if spread is None else [spread])])
    where = "no more than" if abs(gap) <= floor else "more than"
    return (f"That is {where} two retrained models differ from each other here (up to {floor:.3f}).",)


def _skill(before: AuditRow | None, after: AuditRow | None) -> Sequence[str]:
    if before is None or after is None or before.value is None or after.value is None:
        return ()
    now, then = number(after.value, "share"), number(before.value, "share")
    beside = f", a retrained model in {number(after.reference, 'share')}" if after.reference is not None else ""
    return (f"On never-seen pictures it is now right in {now} of cases; before, in {then}{beside}.",)
