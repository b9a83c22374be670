"""Attacks person by person and group by group: a mean can hide somebody who is still remembered.

Scores and weights flow in, rows flow out. People are numbered from the most exposed on, never named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from expunge.audits.observe import Seen
from expunge.audits.population import Scores
from expunge.audits.resampling import FEW, Weights
from expunge.audits.rows import row_of
from expunge.audits.statistics import ATTACKED, Estimate, Key, between
from expunge.errors import Unavailable
from expunge.functional.seeding import derive_seed
from expunge.functional.stats import bootstrap_weights, mean_of, weighted_auroc, weighted_wins
from expunge.types import AuditRow, Split

Array = np.ndarray[Any, np.dtype[Any]]
Groups = Mapping[str, Mapping[Split, Array]]
LOSS_AUROC = "mia_auroc"
PERSON = "person-vs-reporting"
SIDES: tuple[Split, ...] = ("forget", "reporting")
WHOSE = ("forgotten", "never-seen")
ENOUGH = 4  # pictures of one person; with fewer, chance decides who is worst off
MOST_DRAWS = 200  # for each person
NOBODY = "Nobody knows who is on the pictures, so nothing is said person by person."


@dataclass(frozen=True)
class GroupRows:
    """The attack on one group of pictures, of forgotten people against non-members.

    Args:
        column, group: which pictures, e.g. `age` and `young`; `person` and a number for one person.
        before: of the model before unlearning, or None where it was not given.
        after: of the audited model.
        pictures, people: how many forgotten ones are in the group; people None where nobody knows.
    """

    column: str
    group: str
    before: AuditRow | None
    after: AuditRow
    pictures: int
    people: int | None


@dataclass(frozen=True)
class WorstOff:
    """The person of whom most is left beside what a retrained model shows, among those with enough pictures.

    Args:
        person: their number, as in the rows.
        pictures: how many they have.
        excess: AUROC minus the mean of the references'.
        expected: the same for each reference beside the others, mean over references: somebody is always worst off.
            None with fewer than two references.
        people: how many were compared.
    """

    person: int
    pictures: int
    excess: float
    expected: float | None
    people: int


@dataclass(frozen=True)
class People:
    """Every forgotten person, the most exposed first.

    Args:
        rows: one a person, who is numbered in the order of the forget set, as in other lists of them; their `n` counts
            that person's pictures, and intervals come from resampling these and the non-members.
        worst: who is worst off; None without references or without anybody of enough pictures.
        note: how to read it.
    """

    rows: tuple[GroupRows, ...]
    worst: WorstOff | None
    note: str


def people(
    name: str, before: Scores | None, after: Scores, references: Sequence[Scores], weights: Weights, *, seed: int
) -> People:
    """One attack on each forgotten person's pictures against all non-members.

    Args:
        name: the AUROC of the attack.
        before, after, references: what it makes of all pictures under the models of `audit`.
        weights: of the non-members.
        seed: of the draws of each person's pictures.
    """
    owners = after.forget.subjects
    if owners is None:
        return People((), None, NOBODY)
    mine = [np.flatnonzero(owners == name) for name in dict.fromkeys(owners.tolist())]

    def each(scores: Scores) -> list[Estimate]:
        return _each(scores, weights, mine, derive_seed(seed, "people"))

    try:
        ours, beside = each(after), [each(reference) for reference in references]
        first = None if before is None else each(before)
    except Unavailable as error:
        return People((), None, str(error))
    excess = _excess(ours, beside) if beside else np.array([_value(one) for one in ours])
    order = np.argsort(-excess, kind="stable")
    rows = []
    for i in order:
        others = [reference[i] for reference in beside]
        old = None if first is None else row_of(Key(name, PERSON), first[i], others)
        new = row_of(Key(name, PERSON), ours[i], others)
        rows.append(GroupRows("person", str(i + 1), old, new, pictures=len(mine[i]), people=1))
    worst = _worst(excess, order, np.array([len(at) for at in mine]), beside) if beside else None
    return People(tuple(rows), worst, _note(worst))


def by_group(
    name: str, before: Scores | None, after: Scores, references: Sequence[Scores], weights: Weights, groups: Groups
) -> tuple[GroupRows, ...]:
    """One attack within every group that has forgotten pictures: labels, and the columns handed in.

    Args:
        name: the AUROC of the attack.
        before, after, references: what it makes of all pictures under the models of `audit`.
        weights: of the pictures.
        groups: for every column, the value of each forget and of each reporting picture, in their order.
    """
    key, columns = Key(name, ATTACKED), {**_labels(after), **groups}
    found = []
    for column, values in columns.items():
        for group in np.unique(values["forget"]):
            at = values["forget"] == group, values["reporting"] == group
            beside = [_within(reference, weights, at) for reference in references]
            old = None if before is None else row_of(key, _within(before, weights, at), beside)
            new, owners = row_of(key, _within(after, weights, at), beside), after.forget.subjects
            count = None if owners is None else len(np.unique(owners[at[0]]))
            found.append(GroupRows(column, str(group), old, new, pictures=int(at[0].sum()), people=count))
    return tuple(found)


def _each(scores: Scores, weights: Weights, mine: Sequence[Array], seed: int) -> list[Estimate]:
    """An estimate for every person; the same pictures are drawn for every model."""
    if scores.members is None or scores.others is None:
        raise Unavailable(scores.why_not)
    drawn = weights["reporting"][: 1 + MOST_DRAWS]
    wins = weighted_wins(scores.members, scores.others, drawn)
    made = np.random.default_rng(seed)
    found = []
    for at in mine:
        chosen = at[made.integers(len(at), size=(len(drawn), len(at)))]
        chosen[0] = at
        values = np.take_along_axis(wins, chosen, axis=1).mean(1)
        note = f"only {len(at)} of this person's pictures" if len(at) < ENOUGH else ""
        found.append(Estimate(values, len(at), None, note))
    return found


def _value(estimate: Estimate) -> float:
    return np.nan if estimate.values is None else float(estimate.values[0])


def _excess(ours: Sequence[Estimate], others: Sequence[Sequence[Estimate]]) -> Array:
    """AUROC of each person minus the mean of the references'."""
    return np.array([_value(o) for o in ours]) - mean_of([np.array([_value(o) for o in other]) for other in others])


def _worst(excess: Array, order: Array, counts: Array, beside: Sequence[Sequence[Estimate]]) -> WorstOff | None:
    enough = counts >= ENOUGH
    if not enough.any():
        return None
    i = next(i for i in order if enough[i])
    pairs = [(one, [other for other in beside if other is not one]) for one in beside]
    found = [_excess(one, others)[enough].max() for one, others in pairs if others]
    expected = round(float(np.mean(found)), 9) if found else None
    return WorstOff(int(i) + 1, int(counts[i]), round(float(excess[i]), 9), expected, int(enough.sum()))


def _note(worst: WorstOff | None) -> str:
    if worst is None:
        return "Who is worst off is not said: it takes a reference, and people with enough pictures."
    said = (
        f"The largest of {worst.people} people's excesses is shown, and the largest of many is large by chance alone: "
        "its interval, which is for one person chosen beforehand, is too narrow for it."
    )
    if worst.expected is None:
        return f"{said} With one reference it is not known how large it would be for a retrained model."
    return f"{said} For a retrained model beside the other references it is {worst.expected:.3f}."


def _labels(scores: Scores) -> dict[str, dict[Split, Array]]:
    """The class names of every attribute."""
    spec = scores.forget.spec
    sides: dict[Split, Seen] = {"forget": scores.forget, "reporting": scores.reporting}
    return {
        name: {split: np.array(spec.classes[i])[seen.labels[:, i]] for split, seen in sides.items()}
        for i, name in enumerate(spec.names)
    }


def _within(scores: Scores, weights: Weights, at: tuple[Array, Array]) -> Estimate:
    chosen = scores.forget.part(at[0]), scores.reporting.part(at[1])
    if not at[1].any():
        return between(None, *chosen, scores.why_not or "not estimable: no non-member is in this group")
    if scores.why_not or scores.members is None or scores.others is None:
        return between(None, *chosen, scores.why_not)
    ours, theirs = (_varied(part, weights[s][:, i]) for part, s, i in zip(chosen, SIDES, at, strict=True))
    values = weighted_auroc(scores.members[at[0]], scores.others[at[1]], ours, theirs)
    return between(values, *chosen, "; ".join(filter(None, map(_few, chosen, WHOSE))))


def _varied(seen: Seen, weights: Array) -> Array:
    """Weights under which these pictures vary, the same for every model: of one person, who never does, by picture."""
    if seen.subjects is None or len(np.unique(seen.subjects)) > 1:
        return weights
    return bootstrap_weights(None, len(seen.ids), draws=len(weights) - 1, seed=derive_seed(len(seen.ids), "group"))


def _few(seen: Seen, whose: str) -> str:
    """What speaks against an interval of so few people."""
    people = None if seen.subjects is None else len(np.unique(seen.subjects))
    if people is None or people >= FEW:
        return ""
    return f"only one {whose} person" if people == 1 else f"only {people} {whose} people"
