"""A verdict in words that somebody who never saw the code understands, with the numbers behind every sentence.

Rows and comparisons flow in, sentences flow out. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from expunge.evidence.margins import Margin
from expunge.evidence.report.words import SPLIT_WORDS, bounds, counted, number, wording
from expunge.functional.equivalence import Compared
from expunge.functional.power import detectable_auroc, effective_size
from expunge.types import AuditRow

BLIND = (
    "These audits cannot tell even the untouched model from a retrained one, so that passing them proves nothing: "
    "either little was remembered, or too few people were measured on."
)
UNTRIED = "Whether these audits would tell the untouched model from a retrained one is not known: it was not given."
UNSEEN = "No audit of erased pictures could be judged, so that passing the others proves nothing about forgetting."
ALONE = "Not assessable: a single picture says nothing about variation."
ATTACK = ("mia_auroc", "forget-vs-reporting")
OVERALL: Mapping[str, str] = {
    "distinguishable": "Distinguishable from retraining: {count} of {all} audits show a gap that retraining "
    "would hardly show.",
    "indistinguishable": "Indistinguishable from retraining, as far as {all} audits can tell: each proves that its "
    "gap is smaller than its margin. Attacks that were not run may tell it.",
    "inconclusive": "Inconclusive: no audit tells this model from a retrained one, but {count} of {all} "
    "cannot rule out a gap as large as their margin. More people, or more references, would decide it.",
    "not assessable": "Not assessable: there is nothing to compare with.",
}
ONE = "There is one reference: how much retraining varies is assumed, not measured here."


def named(row: AuditRow) -> str:
    """Measure and pictures of a row, e.g. `Right answers (erased pictures)`."""
    return f"{wording(row.name, {}).title} ({SPLIT_WORDS.get(row.split, row.split.replace('-', ' '))})"


def audit_words(
    row: AuditRow, found: Compared, margin: Margin, outcome: str, *, p: float, references: int
) -> tuple[str, ...]:
    """Why an audit says what it says."""
    beside = "a retrained model" if references == 1 else f"{references} retrained models on average"
    values = f"{named(row)}: {number(row.value, row.unit)} here, {number(row.reference, row.unit)} for {beside}."
    size = f"The gap of {number(found.gap, row.unit, sign=True)}"
    interval = f"90 % interval {bounds(found.low, found.high, row.unit, sign=True)}"
    limit = number(margin.margin, row.unit, sign=True).removeprefix("+")
    if outcome == "indistinguishable":
        return (f"{values} {size} is proved to lie within the margin of {limit} ({interval}).",)
    if outcome == "distinguishable":
        meaning = margin.above if found.gap > 0 else margin.below
        return (f"{values} {size} ({interval}) is one that retraining would hardly show ({_chance(p)}). {meaning}",)
    return (f"{values} {size} may be luck, but one as large as the margin of {limit} is not ruled out ({interval}).",)


def missing_words(row: AuditRow, references: int) -> str:
    """Why an audit cannot be judged."""
    if row.value is None:
        return f"{named(row)}: {row.note or 'not measured'}."
    needed = "a retrained model" if references == 0 else "a second retrained model"
    return f"{named(row)}: there is no value to compare with, which takes {needed}."


def overall_words(overall: str, count: int, every: int, references: int, deciding: Sequence[str]) -> tuple[str, ...]:
    """Why all audits together say what they say; `deciding` are the reasons of those that decided it."""
    said = OVERALL[overall].format(count=count, all=every)
    told = deciding if overall in ("distinguishable", "inconclusive") else ()
    return (said, *told, ONE) if references == 1 else (said, *told)


def power_words(row: AuditRow, found: Compared, people: int) -> str:
    """What an audit would have shown."""
    unit = "picture" if row.subjects is None else "person"
    who = counted(people, unit, "people" if unit == "person" else "")
    gap = number(found.detectable, row.unit, sign=True).removeprefix("+")
    least = f" (a value of {number(row.reference + found.detectable, row.unit)})" if row.reference is not None else ""
    return f"{named(row)}: with {who}, a gap of {gap} to retraining{least} would show with a probability of 80 %."


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
    return (f"{named(row)}: with {who}, {shown}, compared with guessing (.5), not with retraining.",)


def overdone_words(row: AuditRow, found: Compared) -> str:
    """Too much was forgotten."""
    return (
        f"Over-forgetting: the mean loss on erased pictures is {number(row.value, row.unit)}, that of retrained "
        f"models {number(row.reference, row.unit)}. Retraining would hardly show a loss this high "
        f"({_chance(found.p_above)}). Answers that are conspicuously bad give away who was erased."
    )


def hidden_words(row: AuditRow, found: Compared) -> str:
    """It comes back too soon."""
    material = "half of the erased people" if row.split.endswith("forget") else "pictures that stay"
    return (
        f"Not forgotten, whatever it answers now: trained a little further on {material}, the model is right on "
        f"{number(row.value, row.unit)} of erased pictures that it was not shown again, a retrained model on "
        f"{number(row.reference, row.unit)}. Retraining would hardly show that ({_chance(found.p_above)})."
    )


def _chance(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < .001"
