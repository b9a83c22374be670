"""The verdict: is this model indistinguishable from one that was retrained without the erased pictures?

Audit rows flow in, words and the numbers behind them flow out; never one single score. A model is *indistinguishable*
when every audit proves that its gap to retraining is smaller than a stated margin, *distinguishable* when some audit
shows a gap that a retrained model would not, after correction for the number of audits; else it is *inconclusive*.
Audits that can only accuse are left out of the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from expunge.evidence.margins import MARGINS, MEMBERSHIP, Margin
from expunge.evidence.verdictwords import (
    ALONE,
    BLIND,
    UNSEEN,
    UNTRIED,
    audit_words,
    missing_words,
    overall_words,
    overdone_words,
    power_words,
    unaided_words,
    unjudged_words,
)
from expunge.functional.equivalence import LEVEL, Compared, compare
from expunge.functional.significance import holm
from expunge.types import AuditRow

Outcome = Literal["indistinguishable", "distinguishable", "inconclusive", "not assessable"]
Said = Outcome | Literal["does not accuse"]
Rows = Sequence[AuditRow]
DIGITS = 9
SURPRISED = ("loss", "forget")
ALARM_LEVEL, ALARM_LEAST = 0.01, 0.1  # one-sided; share of the references' loss
LOSS_FLOOR, LEAST_LOSS_FLOOR = 0.02, 0.01  # share of the references' loss; nats
RELATIVE, DIVERGENCE = ("mia_relative_auroc", "u_lira_auroc"), "js_divergence"


@dataclass(frozen=True)
class AuditVerdict:
    """What one audit says.

    Args:
        name, split: of the audit row.
        verdict: the outcome of this audit; of one that can only accuse, whether it does.
        reasons: why, in sentences with the numbers.
        gap, low, high: value minus mean of the references, and its 90 % interval; None where there is none.
        p: of the gap at a retrained model, adjusted for the number of audits.
        margin: within which `low` and `high` must lie.
    """

    name: str
    split: str
    verdict: Said
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
            retraining prove nothing by passing, and the overall outcome is inconclusive then. So it is where no
            membership audit of erased pictures passed, and where too much was forgotten.
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
    alarms = _overdone(after, references, people)
    objections = [*_unproved(audits), *_blind(before, references, margins), *alarms]
    overall, reasons = _overall(audits, objections, len(references))
    if overall == "indistinguishable" and not before:
        reasons = (*reasons, UNTRIED)
    if overall in ("indistinguishable", "inconclusive"):
        reasons = (*reasons, *unjudged_words(_unjudged(assessed, margins)))
    return Verdict(
        overall=overall,
        reasons=reasons,
        audits=tuple(audits),
        power=tuple(power_words(a.row, a.found, a.margin, a.people) for a in assessed) or unaided_words(after),
        alarms=alarms,
        margins={f"{row.name}, {row.split}": margin.margin for row, margin in chosen},
    )


def _unproved(audits: Sequence[AuditVerdict]) -> tuple[str, ...]:
    """Skill on its own says nothing about forgetting: an attack on erased pictures must have passed as well."""
    passed = any(a.name in MEMBERSHIP and a.verdict == "indistinguishable" for a in audits)
    return () if passed else (UNSEEN,)


def _blind(before: Rows, references: Sequence[Rows], margins: Sequence[Margin]) -> tuple[str, ...]:
    """Whether audits that can pass tell the untouched original, where there is one, from retraining."""
    if not before:
        return ()
    passing = [margin for margin in margins if margin.proves]
    return () if judge(before, references, margins=passing).overall == "distinguishable" else (BLIND,)


def _unjudged(assessed: Sequence[Assessed], margins: Sequence[Margin]) -> list[tuple[str, str]]:
    """Name and split of what would be judged, had it been measured."""
    judged = {(one.row.name, one.row.split) for one in assessed}
    return [key for margin in margins for split in margin.splits if (key := (margin.name, split)) not in judged]


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
    """Of the same row at every reference, as far apart as the references' own luck puts them."""
    same = [other for rows in references for other in rows if (other.name, other.split) == (row.name, row.split)]
    values = [other.value for other in same if other.value is not None]
    middle, scale = sum(values) / max(1, len(values)), _scale(row.name, len(values))
    return [middle + scale * (value - middle) for value in values]


def _scale(name: str, k: int) -> float:
    """What undoes that a reference was measured against the k - 1 others, and not against all k as the model was.

    With luck d_i of each, a relative attack finds d_i less the mean of the others', which is k / (k - 1) times as far
    from the mean of all; a divergence finds d_i plus the mean of the others', which is (k - 2) / (k - 1) times as far.
    """
    if name in RELATIVE and k > 1:
        return (k - 1) / k
    return (k - 1) / (k - 2) if name == DIVERGENCE and k > 2 else 1.0


def _audit(one: Assessed, adjusted: float, references: int) -> AuditVerdict:
    outcome: Said = "inconclusive" if one.margin.proves else "does not accuse"
    if one.margin.proves and one.equal:
        outcome = "indistinguishable"
    elif adjusted <= LEVEL and abs(one.found.gap) >= one.margin.least:
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


def _overall(
    audits: Sequence[AuditVerdict], objections: Sequence[str], references: int
) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome; `objections` are what stands against it although every audit passes."""
    counts = {outcome: [a for a in audits if a.verdict == outcome] for outcome in get_args(Outcome)}
    weighed = [a for a in audits if a.verdict not in ("not assessable", "does not accuse")]
    overall: Outcome = "indistinguishable"
    if len(counts["not assessable"]) == len(audits):
        overall = "not assessable"
    elif counts["distinguishable"]:
        overall = "distinguishable"
    elif counts["inconclusive"]:
        overall = "inconclusive"
    elif objections:
        return "inconclusive", overall_words("objected", len(weighed), len(weighed), references, objections)
    deciding = [reason for audit in counts[overall] for reason in audit.reasons]
    return overall, overall_words(overall, len(counts[overall]), len(weighed), references, deciding)


def _overdone(after: Rows, references: Sequence[Rows], people: Mapping[str, int]) -> tuple[str, ...]:
    """Forget losses above what the references show: passing every audit does not excuse that."""
    for row in after:
        if (row.name, row.split) != SURPRISED or row.gap is None or row.gap_error is None or row.reference is None:
            continue
        floor = max(LOSS_FLOOR * row.reference, LEAST_LOSS_FLOOR)
        values = _values(row, references) or [row.reference]
        found = compare(row.gap, row.gap_error, max(2, people["forget"]), references=values, floor=floor)
        if found.p_above <= ALARM_LEVEL and row.gap >= ALARM_LEAST * row.reference:
            return (overdone_words(row, found),)
    return ()
