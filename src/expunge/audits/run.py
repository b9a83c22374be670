"""Audits a model against references: rows with intervals, what a perfect result would be, and what cannot be said.

Observations flow in, an `AuditReport` flows out. Which method made the model is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from expunge.audits.breakdown import LOSS_AUROC, GroupRows, Groups, People, by_group, people
from expunge.audits.observe import Observation
from expunge.audits.population import LOSS, STRONGEST, RocCurves, attack_scores, population, roc_curves, strongest
from expunge.audits.resampling import DRAWS, Weights, caveats, check_comparable, resampling
from expunge.audits.rows import row_of
from expunge.audits.spread import ReferenceSpread, reference_spread
from expunge.audits.statistics import (
    Estimate,
    Estimates,
    Key,
    distances,
    divergences,
    estimates,
    even,
    floor_divergences,
    ignorance,
    relative,
)
from expunge.functional.stats import mean_of
from expunge.types import AuditRow

Array = np.ndarray[Any, np.dtype[Any]]
OVERALL = "reporting"
NO_REFERENCE = (
    "There is no retrained reference. Nothing can be said about how close the model is to one that never saw the "
    "forgotten pictures: neither whether enough was forgotten nor whether too much was. What can be said is what the "
    "model answers now, what it answered before, and how well the attacks that were run tell forgotten pictures from "
    "pictures of other people; these values would not be exactly one half for a retrained model either."
)
ONE_REFERENCE = (
    "There is one retrained reference. How much two retrained models differ (the retrain floor) is not known, so a "
    "small gap to the reference may be as good as retraining or not."
)
NO_UNTRAINED = (
    "Likeness to an untrained network (ZRF) is not given: it takes a freshly initialised network of the same "
    "architecture, and none could be built here."
)


@dataclass(frozen=True)
class AuditReport:
    """What was measured.

    Args:
        rows_before: of the model before unlearning; empty where it was not given.
        rows_after: of the audited model.
        rows_reference: of each reference, its `reference` being the mean of the others.
        rows_floor: distance of every pair of references.
        notes: sentences on what cannot be said.
        spread: lowest and highest value among the references; empty for fewer than two.
        curves: ROC curves of all attacks on single pictures, for all models.
        people: the loss attack person by person. people_by_lira: the same by LiRA; None without its shadow models.
        groups: the loss attack by label, and by any other column that was handed in. groups_by_lira: the same by LiRA.
    """

    rows_before: tuple[AuditRow, ...]
    rows_after: tuple[AuditRow, ...]
    rows_reference: tuple[tuple[AuditRow, ...], ...]
    rows_floor: tuple[AuditRow, ...]
    notes: tuple[str, ...]
    spread: tuple[ReferenceSpread, ...] = ()
    curves: RocCurves | None = None
    people: People | None = None
    people_by_lira: People | None = None
    groups: tuple[GroupRows, ...] = ()
    groups_by_lira: tuple[GroupRows, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; equal inputs give equal values, digit by digit."""
        return asdict(self)

    def row(self, name: str, split: str) -> AuditRow:
        """The row of the audited model called `name` on `split`.

        Raises:
            KeyError: there is none.
        """
        for row in self.rows_after:
            if (row.name, row.split) == (name, split):
                return row
        raise KeyError(f"{name} on {split}")


def audit(
    before: Observation | None,
    after: Observation,
    references: Sequence[Observation],
    *,
    untrained: Observation | None = None,
    groups: Groups | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> AuditReport:
    """Compare a model with what it was and with retrained references.

    Args:
        before: of the model before unlearning, or None.
        after: of the audited model.
        references: of retrained models; may be empty, and then it is said what cannot be.
        untrained: of a freshly initialised model of the same architecture, or None where there is none to be had.
        groups: columns beside the labels by which the attack is broken down: for each, the value of every forget and
            of every reporting picture.
        seed: of the bootstrap.
        draws: bootstrap resamples of subjects (else of pictures).

    Raises:
        DataError: a split is empty, or the models were shown different pictures.
    """
    check_comparable([after, *references, *(other for other in (before, untrained) if other is not None)])
    weights = resampling(after, draws=draws, seed=seed)
    named = [f"reference-{i}" for i in range(1, len(references) + 1)]
    models = ({} if before is None else {"before": before}) | {
        "after": after,
        **dict(zip(named, references, strict=True)),
    }
    scores = {name: attack_scores(observation) for name, observation in models.items()}
    by_loss = {name: one[LOSS] for name, one in scores.items()}
    attacked = by_loss.get("before"), by_loss["after"], [by_loss[name] for name in named]

    def measure(name: str) -> Estimates:
        alone = estimates(models[name], weights) | population(scores[name], weights)
        return alone | ignorance(models[name], untrained, weights)

    measured = [measure(name) for name in named]
    floor = floor_divergences(references, weights) if len(references) > 1 else {}

    def rows(name: str) -> tuple[AuditRow, ...]:
        return _rows(measure(name), measured, _beside(models[name], references, weights), floor)

    notes: tuple[str, ...] = (NO_REFERENCE,) if not references else (ONE_REFERENCE,) if len(references) == 1 else ()
    notes += (NO_UNTRAINED,) if untrained is None else ()
    beside = _reference_rows(references, measured, weights)
    return AuditReport(
        rows_before=() if before is None else rows("before"),
        rows_after=rows("after"),
        rows_reference=beside,
        rows_floor=_floor_rows(measured),
        notes=(*notes, *caveats(after)),
        spread=reference_spread(beside),
        curves=roc_curves(scores),
        people=people(LOSS_AUROC, *attacked, weights, seed=seed),
        groups=by_group(LOSS_AUROC, *attacked, weights, groups or {}),
    )


def _beside(observation: Observation, references: Sequence[Observation], weights: Weights) -> Estimates:
    """What is measured picture by picture beside the references' answers."""
    return divergences(observation, references, weights) | relative(observation, references, weights)


def _rows(
    found: Estimates, references: Sequence[Estimates], beside: Estimates, floor: Estimates
) -> tuple[AuditRow, ...]:
    made = [row_of(key, estimate, [r[key] for r in references]) for key, estimate in found.items()]
    if not references:
        return tuple(made)
    for key, measure in ((Key("distance", OVERALL), distances), (STRONGEST, strongest)):
        pairs = [measure(a, [b]) for a, b in combinations(references, 2)]
        made.append(row_of(key, measure(found, references), _mean(pairs)))
    retrained = floor | even(beside)
    made += [row_of(key, estimate, [retrained[key]] if key in retrained else []) for key, estimate in beside.items()]
    return tuple(made)


def _mean(parts: Sequence[Estimate]) -> list[Estimate]:
    known = [p.values for p in parts if p.values is not None]
    return [Estimate(mean_of(known), parts[0].n, parts[0].subjects)] if known else []


def _reference_rows(
    references: Sequence[Observation], measured: Sequence[Estimates], weights: Weights
) -> tuple[tuple[AuditRow, ...], ...]:
    made = []
    for i, found in enumerate(measured):
        others = [m for j, m in enumerate(measured) if j != i]
        seen = [r for j, r in enumerate(references) if j != i]
        made.append(_rows(found, others, _beside(references[i], seen, weights), {}))
    return tuple(made)


def _floor_rows(measured: Sequence[Estimates]) -> tuple[AuditRow, ...]:
    return tuple(
        row_of(Key("distance", f"reference-{i + 1}-vs-reference-{j + 1}"), distances(measured[i], [measured[j]]), [])
        for i, j in combinations(range(len(measured)), 2)
    )
