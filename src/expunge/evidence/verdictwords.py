"""A verdict in words that somebody who never saw the code understands, with the numbers behind every sentence.

Rows and comparisons flow in, sentences flow out. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from expunge.evidence.margins import Margin
from expunge.evidence.report.wordings import split_words, wording
from expunge.evidence.report.words import bounds, counted, number
from expunge.functional.equivalence import Compared
from expunge.functional.power import detectable_auroc, effective_size
from expunge.types import AuditRow

BLIND = (
    "These audits cannot tell even the untouched model from a retrained one, so that passing them proves nothing: "
    "either little was remembered, or too few people were measured on."
)
UNTRIED = "Whether these audits would tell the untouched model from a retrained one is not known: it was not given."
UNSEEN = (
    "No membership attack on erased pictures was proved to find as little as after retraining. Passing the other "
    "audits proves nothing about forgetting."
)
ALONE = "Not assessable: a single picture says nothing about variation."
ATTACK = ("mia_auroc", "forget-vs-reporting")
OVERALL: Mapping[str, str] = {
    "distinguishable": "Distinguishable from retraining: {count} of {all} audits show a gap that retraining "
    "would hardly show.",
    "indistinguishable": "Indistinguishable from retraining, as far as {all} audits can tell: each proves that its "
    "gap is smaller than its margin. Attacks that were not run may tell it.",
    "inconclusive": "Inconclusive: no audit tells this model from a retrained one, but {count} of {all} "
    "cannot rule out a gap as large as their margin.",
    "objected": "Inconclusive: no audit tells this model from a retrained one, but that is not enough here.",
    "not assessable": "Not assessable: there is nothing to compare with.",
}
OF_PEOPLE = "The number of people limits it most, which more references do not change."
OF_REFERENCES = "The luck of training limits it most, which more references would lessen."
POSSIBLE: Mapping[str, float] = {"share": 1.0, "auroc": 1.0, "score": 1.0, "bits": 1.0}  # nothing is above
ONE = "There is one reference: how much retraining varies is assumed, not measured here."


def named(name: str, split: str) -> str:
    """Measure and pictures of a row.

    Example:
        >>> named("accuracy", "forget")
        'Right answers (erased pictures)'
    """
    return f"{wording(name, {}).title} ({split_words(split)})"


def audit_words(
    row: AuditRow, found: Compared, margin: Margin, outcome: str, *, p: float, references: int
) -> tuple[str, ...]:
    """Why an audit says what it says."""
    beside = "a retrained model" if references == 1 else f"{references} retrained models on average"
    here, there = number(row.value, row.unit), number(row.reference, row.unit)
    values = f"{named(row.name, row.split)}: {here} here, {there} for {beside}."
    size = f"The gap of {number(found.gap, row.unit, sign=True)}"
    interval = f"90 % interval {bounds(found.low, found.high, row.unit, sign=True)}"
    limit = number(margin.margin, row.unit, sign=True).removeprefix("+")
    if outcome == "indistinguishable":
        return (f"{values} {size} is proved to lie within the margin of {limit} ({interval}).",)
    if outcome == "distinguishable":
        meaning = margin.above if found.gap > 0 else margin.below
        return (f"{values} {size} ({interval}) is one that retraining would hardly show ({_chance(p)}). {meaning}",)
    if outcome == "does not accuse":
        least = number(margin.least, row.unit, sign=True).removeprefix("+")
        return (
            f"{values} {size} ({interval}) is no accusation: that takes {least} or more, and one that retraining would "
            f"hardly show (here {_chance(p)}). This audit can only accuse; that it does not proves nothing.",
        )
    limits = OF_PEOPLE if found.of_people > 0.5 else OF_REFERENCES
    return (
        f"{values} {size} may be luck, but one as large as the margin of {limit} is not ruled out ({interval}). "
        f"{limits}",
    )


def missing_words(row: AuditRow, references: int) -> str:
    """Why an audit cannot be judged."""
    if row.value is None:
        return f"{named(row.name, row.split)}: {row.note or 'not measured'}."
    needed = "a retrained model" if references == 0 else "a second retrained model"
    return f"{named(row.name, row.split)}: there is no value to compare with, which takes {needed}."


def overall_words(overall: str, count: int, every: int, references: int, deciding: Sequence[str]) -> tuple[str, ...]:
    """Why all audits together say what they say; `deciding` are the reasons of those that decided it."""
    said = OVERALL[overall].format(count=count, all=every)
    told = deciding if overall in ("distinguishable", "inconclusive", "objected") else ()
    return (said, *told, ONE) if references == 1 else (said, *told)


def unjudged_words(missing: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Which audits, by name and split, have no part in the outcome, if any."""
    return (f"Not assessed, and no part of this: {'; '.join(named(*one) for one in missing)}.",) if missing else ()


def power_words(row: AuditRow, found: Compared, margin: Margin, people: int) -> str:
    """What an audit would have shown on its own."""
    unit = "picture" if row.subjects is None else "person"
    who = counted(people, unit, "people" if unit == "person" else "")
    sides = 2 if margin.above and margin.below else 1
    least = found.detectable(sides=sides, least=margin.least)
    alone = f"in this audit alone ({'two' if sides == 2 else 'one'}-sided level .05, not adjusted for other audits)"
    beside = row.reference or 0.0
    values = [beside + least] if margin.above else []
    values += [beside - least] if margin.below else []
    shown = [number(value, row.unit) for value in values if 0 <= value <= POSSIBLE.get(row.unit, value)]
    gap = number(least, row.unit, sign=True).removeprefix("+")
    what = f"a gap of {gap} to retraining (a value of {' or '.join(shown)})" if shown else "no value that is possible"
    return f"{named(row.name, row.split)}: with {who}, {what} would show with a probability of 80 % {alone}."


def unaided_words(rows: Sequence[AuditRow]) -> tuple[str, ...]:
    """What the attack would have shown against guessing, where there is no reference."""
    sizes = {row.split: (row.n, row.subjects) for row in rows if row.name == "accuracy"}
    row = next((r for r in rows if (r.name, r.split) == ATTACK), None)
    if row is None or not {"forget", "reporting"} <= set(sizes):
        return ()
    members, others = (
        effective_size([1] * n if people is None else [n // people] * people)
        for n, people in (sizes["forget"], sizes["reporting"])
    )
    least = detectable_auroc(members, others)
    shown = "nothing would show" if least is None else f"a value of {least:.2f} would show with a probability of 80 %"
    count, people = sizes["forget"]
    who = counted(count, "picture") if people is None else counted(people, "person", "people")
    return (f"{named(row.name, row.split)}: with {who}, {shown}, compared with guessing (.5), not with retraining.",)


def overdone_words(row: AuditRow, found: Compared) -> str:
    """Too much was forgotten."""
    return (
        f"Over-forgetting: the mean loss on erased pictures is {number(row.value, row.unit)}, that of retrained "
        f"models {number(row.reference, row.unit)}. Retraining would hardly show a loss this high "
        f"({_chance(found.p_above)}). Answers that are conspicuously bad give away who was erased."
    )


def _chance(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < .001"
