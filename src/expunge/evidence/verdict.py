"""The verdict: is this model indistinguishable from one that was retrained without the erased pictures?

Audit rows flow in, words and the numbers behind them flow out; never one single score. A model is *indistinguishable*
when every audit proves that its gap to retraining is smaller than a stated margin, *distinguishable* when some audit
shows a gap that a retrained model would not, after correction for the number of audits; else it is *inconclusive*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from expunge.evidence.margins import MARGINS, Margin
from expunge.evidence.verdictwords import (
    ALONE,
    BLIND,
    UNSEEN,
    UNTRIED,
    audit_words,
    hidden_words,
    missing_words,
    overall_words,
    overdone_words,
    power_words,
    unaided_words,
)
from expunge.functional.equivalence import LEVEL, Compared, compare
from expunge.functional.significance import holm
from expunge.types import AuditRow

Outcome = Literal["indistinguishable", "distinguishable", "inconclusive", "not assessable"]
Rows = Sequence[AuditRow]
DIGITS = 9
LEAST = 0.5  # of the margin; a smaller gap is never called distinguishable
SURPRISED = ("loss", "forget")
ALARM_LEVEL, ALARM_LEAST = 0.01, 0.1  # one-sided; share of the references' loss
LOSS_FLOOR, LEAST_LOSS_FLOOR = 0.02, 0.01  # share of the references' loss; nats
RELEARNED = "relearn_accuracy"
RELEARNED_LEAST, RELEARNED_FLOOR = 0.05, 0.015  # share of pictures; the floor is measured, as those of the margins are


@dataclass(frozen=True)
class AuditVerdict:
    """What one audit says.

    Args:
        name, split: of the audit row.
        verdict: the outcome of this audit.
        reasons: why, in sentences with the numbers.
        gap, low, high: value minus mean of the references, and its 90 % interval; None where there is none.
        p: of the gap at a retrained model, adjusted for the number of audits.
        margin: within which `low` and `high` must lie.
    """

    name: str
    split: str
    verdict: Outcome
    reasons: tuple[str, ...]
    gap: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    margin: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What all audits say together.

    Args:
        overall: the outcome.
        reasons: why, in sentences.
        audits: the outcome of each audit.
        power: what each audit would have shown, a sentence each.
        alarms: what must be looked at whatever the outcome, a sentence each.
        margins: the margin of every judged row, by `name, split`.
    """

    overall: Outcome
    reasons: tuple[str, ...]
    audits: tuple[AuditVerdict, ...]
    power: tuple[str, ...]
    alarms: tuple[str, ...]
    margins: Mapping[str, float]


@dataclass(frozen=True)
class Assessed:
    """A row that can be compared with references, by its margin."""

    row: AuditRow
    margin: Margin
    found: Compared
    people: int

    @property
    def p(self) -> float:
        """Of a gap this large, in a direction that does harm, at a retrained model."""
        if self.margin.above and self.margin.below:
            return self.found.p
        return self.found.p_above if self.margin.above else self.found.p_below

    @property
    def equal(self) -> bool:
        """Whether a gap as large as the margin is ruled out, in every direction that does harm."""
        low, high = self.found.low, self.found.high
        return not (self.margin.above and high >= self.margin.margin) and not (
            self.margin.below and low <= -self.margin.margin
        )


def judge(
    after: Rows, references: Sequence[Rows], *, before: Rows = (), margins: Sequence[Margin] = MARGINS
) -> Verdict:
    """Judge the audits of one model.

    Args:
        after: rows of the audited model.
        references: rows of each retrained reference; without any, nothing can be said about retraining.
        before: rows of the untouched original, where there is one. Audits that cannot tell even the original from
            retraining prove nothing by passing, and the overall outcome is inconclusive then.
        margins: what is judged, and by which margin.

    Example:
        >>> judge((), ()).overall
        'not assessable'
    """
    chosen = [(row, m) for m in margins for row in after if row.name == m.name and row.split in m.splits]
    people = {row.split: row.subjects or row.n for row in after}
    tried = [_assessed(row, margin, references, people) for row, margin in chosen]
    assessed = [one for one in tried if isinstance(one, Assessed)]
    audits = [_audit(one, p, len(references)) for one, p in zip(assessed, holm([a.p for a in assessed]), strict=True)]
    audits += [one for one in tried if isinstance(one, AuditVerdict)]
    overall, reasons = _overall(audits, len(references))
    if overall == "indistinguishable" and not any("forget" in a.split for a in audits if a.verdict == overall):
        overall, reasons = "inconclusive", (UNSEEN, *reasons)
    if overall == "indistinguishable" and not before:
        reasons = (*reasons, UNTRIED)
    elif overall == "indistinguishable" and not _seeing(before, references, margins):
        overall, reasons = "inconclusive", (BLIND, *reasons)
    return Verdict(
        overall=overall,
        reasons=reasons,
        audits=tuple(audits),
        power=tuple(power_words(one.row, one.found, one.people) for one in assessed) or unaided_words(after),
        alarms=_alarms(after, references, people),
        margins={f"{row.name}, {row.split}": margin.margin for row, margin in chosen},
    )


def _seeing(before: Rows, references: Sequence[Rows], margins: Sequence[Margin]) -> bool:
    """Whether the audits tell the untouched original from retraining."""
    return judge(before, references, margins=margins).overall == "distinguishable"


def _assessed(
    row: AuditRow, margin: Margin, references: Sequence[Rows], people: Mapping[str, int]
) -> Assessed | AuditVerdict:
    if row.gap is None or row.gap_error is None or row.reference is None:
        return AuditVerdict(row.name, row.split, "not assessable", (missing_words(row, len(references)),))
    # a comparison of two sets of people rests on the smaller one
    fewest = min(people.get(side, row.subjects or row.n) for side in row.split.split("-vs-"))
    if fewest < 2:
        return AuditVerdict(row.name, row.split, "not assessable", (ALONE,))
    values = _values(row, references) or [row.reference]
    return Assessed(row, margin, compare(row.gap, row.gap_error, fewest, references=values, floor=margin.floor), fewest)


def _values(row: AuditRow, references: Sequence[Rows]) -> list[float]:
    """Of the same row at every reference."""
    same = [other for rows in references for other in rows if (other.name, other.split) == (row.name, row.split)]
    return [other.value for other in same if other.value is not None]


def _audit(one: Assessed, adjusted: float, references: int) -> AuditVerdict:
    outcome: Outcome = "inconclusive"
    if one.equal:
        outcome = "indistinguishable"
    elif adjusted <= LEVEL and abs(one.found.gap) >= LEAST * one.margin.margin:
        outcome = "distinguishable"
    return AuditVerdict(
        name=one.row.name,
        split=one.row.split,
        verdict=outcome,
        reasons=audit_words(one.row, one.found, one.margin, outcome, p=adjusted, references=references),
        gap=round(one.found.gap, DIGITS),
        low=round(one.found.low, DIGITS),
        high=round(one.found.high, DIGITS),
        p=round(adjusted, DIGITS),
        margin=one.margin.margin,
    )


def _overall(audits: Sequence[AuditVerdict], references: int) -> tuple[Outcome, tuple[str, ...]]:
    counts = {outcome: [a for a in audits if a.verdict == outcome] for outcome in get_args(Outcome)}
    said = [a for a in audits if a.verdict != "not assessable"]
    if not said:
        overall: Outcome = "not assessable"
    elif counts["distinguishable"]:
        overall = "distinguishable"
    else:
        overall = "inconclusive" if counts["inconclusive"] else "indistinguishable"
    deciding = [reason for audit in counts[overall] for reason in audit.reasons]
    return overall, overall_words(overall, len(counts[overall]), len(said), references, deciding)


def _alarms(after: Rows, references: Sequence[Rows], people: Mapping[str, int]) -> tuple[str, ...]:
    """What passing every audit does not excuse: forgetting too much, and hiding instead of forgetting."""
    return (*_overdone(after, references, people), *_hidden(after, references))


def _overdone(after: Rows, references: Sequence[Rows], people: Mapping[str, int]) -> tuple[str, ...]:
    """Forget losses above what the references show."""
    for row in after:
        if (row.name, row.split) != SURPRISED or row.gap is None or row.gap_error is None or row.reference is None:
            continue
        floor = max(LOSS_FLOOR * row.reference, LEAST_LOSS_FLOOR)
        values = _values(row, references) or [row.reference]
        found = compare(row.gap, row.gap_error, max(2, people["forget"]), references=values, floor=floor)
        if found.p_above <= ALARM_LEVEL and row.gap >= ALARM_LEAST * row.reference:
            return (overdone_words(row, found),)
    return ()


def _hidden(after: Rows, references: Sequence[Rows]) -> tuple[str, ...]:
    """Erased people, kept out while others were relearned, whom the model is soon right on again."""
    rows = [row for row in after if row.name == RELEARNED and row.gap is not None and row.gap_error is not None]
    for row in rows:
        assert row.gap is not None and row.gap_error is not None and row.reference is not None
        values = _values(row, references) or [row.reference]
        people = max(2, row.subjects or row.n)
        found = compare(row.gap, row.gap_error, people, references=values, floor=RELEARNED_FLOOR)
        if found.p_above <= ALARM_LEVEL / len(rows) and row.gap >= RELEARNED_LEAST:
            return (hidden_words(row, found),)
    return ()
