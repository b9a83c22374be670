"""What an audit may do beyond a look at answers: shadow attacks, gradients, relearning, residue, correlation collapse.

Models with what they answered flow in; reports with more rows flow out. Copies are trained, never the models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from torch import nn

from expunge.audits.breakdown import Groups, by_group, people
from expunge.audits.collapse import collapse
from expunge.audits.gradients import gradients
from expunge.audits.observe import Observation
from expunge.audits.population import Scores, roc_curves
from expunge.audits.relearn import RelearningCurve, relearning
from expunge.audits.resampling import resampling
from expunge.audits.residue import residue
from expunge.audits.rows import RowsBeside
from expunge.audits.run import AuditReport
from expunge.audits.shadowattacks import FORGET, U_LIRA, ShadowStudy, ratio_scores, shadow_rows, shadow_scores
from expunge.audits.spread import ReferenceSpread, reference_spread
from expunge.engine.recipe import train_model
from expunge.engine.settings import EngineSettings
from expunge.errors import ModelError, Unavailable
from expunge.models.classifier import PixelClassifier
from expunge.types import AuditRow, ErasureTask, Optimizer, PictureSet, TrainRecipe

LIRA_AUROC = "lira_auroc"
BETWEEN_FEATURES = "collapse_cka_reference"  # likeness of two references, not of one
# the same for every model, however it was trained: a plain, gentle training further
RELEARNED = TrainRecipe(batch_size=64, optimizer=Optimizer(lr=0.01), augmentation=None)


@dataclass(frozen=True)
class Audited:
    """One audited model beside others.

    Args:
        original: the model before erasure, or None. model: the audited one. references: retrained models.
        before, after, beside: what each of these answered.
        report: what was measured.
        groups: columns by which attacks are broken down beside the labels, as in `audit`.
        relearning: curves of all of them; empty where nothing was trained further.
    """

    original: PixelClassifier | None
    model: PixelClassifier
    references: tuple[PixelClassifier, ...]
    before: Observation | None
    after: Observation
    beside: tuple[Observation, ...]
    report: AuditReport
    groups: Groups = field(default_factory=dict)
    relearning: tuple[RelearningCurve, ...] = ()

    def with_rows(self, more: RowsBeside) -> Audited:
        """The same with further rows of every model."""
        report = self.report
        beside = zip(report.rows_reference, more.references, strict=True)
        references = tuple(rows + others for rows, others in beside)
        longer = replace(
            report,
            rows_before=report.rows_before + more.before,
            rows_after=report.rows_after + more.after,
            rows_reference=references,
            spread=_spread(references),
        )
        return replace(self, report=longer)

    def with_notes(self, notes: Sequence[str]) -> Audited:
        """The same with further sentences on what cannot be said."""
        return replace(self, report=replace(self.report, notes=(*self.report.notes, *notes)))


def _spread(references: Sequence[Sequence[AuditRow]]) -> tuple[ReferenceSpread, ...]:
    """Lowest and highest of everything that was measured of each reference alone."""
    return reference_spread([[row for row in rows if row.name != BETWEEN_FEATURES] for rows in references])


@dataclass(frozen=True)
class Further:
    """A `Continue`: a few steps of the engine, whatever recipe the model came from."""

    settings: EngineSettings

    def __call__(self, model: nn.Module, subset: PictureSet, steps: int, seed: int) -> PixelClassifier:
        """Train `model` further."""
        if not isinstance(model, PixelClassifier):
            raise ModelError("relearning", expected="a PixelClassifier", came=type(model).__name__)
        recipe = replace(RELEARNED, epochs=steps * RELEARNED.batch_size, seed=seed)  # more than enough: steps end it
        train_model(model, subset, recipe, settings=replace(self.settings, max_steps=steps, max_seconds=None))
        return model.to(self.settings.device)


def attacked(audited: Audited, study: ShadowStudy, seed: int) -> Audited:
    """The same with the attacks that these shadows allow, with their curves, person by person and group by group."""
    found = audited.with_rows(shadow_rows(study, audited.before, audited.after, audited.beside, seed=seed))
    references = {f"reference-{i}": one for i, one in enumerate(audited.beside, start=1)}
    seen = ({} if audited.before is None else {"before": audited.before}) | {"after": audited.after} | references
    scores = {name: _scores(one, study, audited.beside) for name, one in seen.items()}
    report = found.report
    if report.curves is not None:
        curves = replace(report.curves, curves=report.curves.curves + roc_curves(scores).curves)
        report = replace(report, curves=curves)
    if study.halves is not None:
        lira = {name: one["lira"] for name, one in scores.items()}
        models = lira.get("before"), lira["after"], [lira[name] for name in references]
        weights = resampling(audited.after, seed=seed)  # as for the attack by loss
        report = replace(
            report,
            people_by_lira=people(LIRA_AUROC, *models, weights, seed=seed),
            groups_by_lira=by_group(LIRA_AUROC, *models, weights, audited.groups),
        )
    return replace(found, report=report)


def _scores(one: Observation, study: ShadowStudy, references: Sequence[Observation]) -> dict[str, Scores]:
    """What every attack of these shadows makes of a model; of U-LiRA beside the references that are not this model."""
    found = {} if study.halves is None else shadow_scores(one, study.halves)
    others = [other[FORGET] for other in references if other is not one]
    if others and study.unlearned is not None and study.retrained is not None:
        found[U_LIRA.name] = ratio_scores(one[FORGET], others, study.unlearned, study.retrained)
    return found


def probed(audited: Audited, task: ErasureTask, settings: EngineSettings) -> Audited:
    """The same with gradients of all weights, relearning, feature residue and correlation collapse."""
    seed = settings.seed
    found = audited.with_rows(collapse(audited.before, audited.after, audited.beside, seed=seed))
    models = (audited.original, audited.model, audited.references)
    with _on_device(audited, settings.device):
        found = found.with_rows(gradients(*models, task, audited.after, seed=seed))
        found = found.with_rows(residue(*models, task, audited.after, seed=seed))
        try:
            relearned = relearning(*models, task, Further(settings), seed=seed)
        except Unavailable as error:
            return found.with_notes([str(error)])
    return replace(found.with_rows(relearned.rows), relearning=relearned.curves)


@contextmanager
def _on_device(audited: Audited, device: str) -> Iterator[None]:
    """All models of an audit there, and on the CPU again afterwards."""
    models = [model for model in (audited.original, audited.model, *audited.references) if model is not None]
    for model in models:
        model.to(device)
    try:
        yield
    finally:
        for model in models:
            model.to("cpu")
