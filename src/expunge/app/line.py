"""The straight line of an erasure: references, the method through the engine, measurements before and after.

Everything it needs flows in loaded and checked; models and measurements flow out. The command line and notebooks
both come through here. Reporting pictures are only observed: the method gets `task.steering`, which has none.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from expunge.app.choices import tell_choices
from expunge.app.desk import Both, Desk
from expunge.app.references import Retraining, repeatable, trained_references
from expunge.app.rundir import RunDirectory
from expunge.app.skill import AskedContext, Skill, Warned, recipe_warning, skill, skill_warning, tuning_warning
from expunge.app.user import fitted
from expunge.audits.observe import Observation, observe
from expunge.audits.run import AuditReport, audit
from expunge.data.requests import Resolution
from expunge.engine.events import Events
from expunge.engine.loop import run_phases
from expunge.engine.outcome import Outcome
from expunge.engine.settings import EngineSettings
from expunge.errors import Unavailable
from expunge.functional.seeding import derive_seed
from expunge.methods.phases import Context, Edit, Phases
from expunge.methods.registry import Method
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import PixelClassifier
from expunge.types import ErasureTask


@dataclass(frozen=True)
class Erasure:
    """All that an erasure needs.

    Args:
        resolution: the task, and what was found on the way to it.
        artefact: the model to erase from; it is not changed.
        method, config: what to do.
        retraining: how references (and the method `retrain`) are trained.
        references: finished references.
        train: how many more references to train.
        settings: of the engine, decided.
        key: hash of all that determines the result.
    """

    resolution: Resolution
    artefact: ModelArtefact
    method: Method
    config: Any
    retraining: Retraining
    references: tuple[ModelArtefact, ...]
    train: int
    settings: EngineSettings
    key: str

    @property
    def task(self) -> ErasureTask:
        """Who is to be forgotten, who stays, who was never there."""
        return self.resolution.task


@dataclass(frozen=True)
class Erased:
    """What an erasure produced.

    Args:
        model: the unlearned model.
        references: all references used.
        before, after, beside: what the original, the unlearned model and each reference answered.
        report: the audit.
        outcome: what the engine did.
        skill: accuracy on tuning pictures before and after; None where it is not comparable.
        warnings: what must not be missed, as it was told.
    """

    model: PixelClassifier
    references: tuple[ModelArtefact, ...]
    before: Observation
    after: Observation
    beside: tuple[Observation, ...]
    report: AuditReport
    outcome: Outcome
    skill: Skill | None
    warnings: tuple[str, ...]


def run_line(erasure: Erasure, *, run: RunDirectory | None, desk: Desk) -> Erased:
    """Erase, then measure.

    Args:
        erasure: what to do.
        run: where to keep checkpoints, trained references and the event log; None keeps nothing.
        desk: who listens.

    Raises:
        Interrupted: stopped from outside; with a `run` it can be continued.
        Unavailable: the method or a reference needs something that is not known.
    """
    events = Events(run.path("events.jsonl") if run is not None else None)
    desk = Both(desk, kept := Warned(events))
    model, outcome = unlearn(erasure, run, events, desk)
    if not outcome.changed:
        events.write("unchanged_weights")
        desk.warn(f"{erasure.method.name} changed no weight at all: nothing was erased")
    made = trained_references(erasure.retraining, erasure.train, run=run, events=events, desk=desk)
    references = (*erasure.references, *made)
    desk.stage("audit")
    events.write("audit_start", method_seconds=round(outcome.seconds, 3))
    before, after, *beside = (
        watch(m, erasure.task, erasure.settings)
        for m in (erasure.artefact.classifier, model, *(reference.classifier for reference in references))
    )
    untrained = watch_untrained(erasure.artefact, erasure.task, erasure.settings)
    found = skill(before["tuning"], after["tuning"], erasure.task.retain, seed=erasure.settings.seed)
    if found is not None and outcome.changed and (lost := skill_warning(found, erasure.method.name)):
        desk.warn(lost)
    report = audit(before, after, beside, untrained=untrained, seed=erasure.settings.seed)
    events.write("audited", references=len(references))
    return Erased(model, references, before, after, tuple(beside), report, outcome, found, tuple(kept.warnings))


def watch(model: PixelClassifier, task: ErasureTask, settings: EngineSettings) -> Observation:
    """What a model answers on all splits of a task, with features; the model ends on the CPU."""
    model.to(settings.device)
    try:
        return observe(model, task, features=True)
    finally:
        model.to("cpu")


def watch_untrained(artefact: ModelArtefact, task: ErasureTask, settings: EngineSettings) -> Observation | None:
    """What a freshly initialised network of the same architecture answers; None where none can be built.

    Its seed is its own: no method starts from it or is taught by it.
    """
    try:
        model = artefact.fresh(derive_seed(settings.seed, "untrained"))
    except Unavailable:
        return None
    return watch(model, task, settings)


def unlearn(erasure: Erasure, run: RunDirectory | None, events: Events, desk: Desk) -> tuple[PixelClassifier, Outcome]:
    """The method alone, on a copy of the model."""
    desk.stage(erasure.method.name)
    if few := tuning_warning(erasure.method, erasure.config, erasure.task.steering, erasure.retraining.recipe):
        desk.warn(few)
    model, assumed = copy.deepcopy(erasure.artefact.classifier), set[str]()
    outcome = run_phases(
        model,
        _phases(erasure, lambda: assumed.add("recipe")),
        settings=erasure.settings,
        key=erasure.key,
        checkpoints=run.checkpoints / "method" if run is not None else None,
        events=events,
        progress=desk.progress,
    )
    if assumed:  # not before: most methods that read a recipe refuse to go on without one
        desk.warn(recipe_warning(erasure.method.name))
    tell_choices(outcome, desk)
    return model, outcome


def _phases(erasure: Erasure, unknown: Callable[[], None]) -> Phases:
    if erasure.method.name == "retrain" and erasure.retraining.function is not None:
        return _by_function(erasure)
    if erasure.method.name == "retrain":
        repeatable(erasure.retraining.recipe, "retrain")
    return erasure.method.phases(erasure.config, context_of(erasure, unknown))


def context_of(erasure: Erasure, unknown: Callable[[], None] = lambda: None) -> Context:
    """What the method may read; reporting pictures are not in it.

    Args:
        unknown: called when the method reads a recipe that nobody gave.
    """
    # a copy: whatever a method does with the original, the one that is measured stays as it was
    original = copy.deepcopy(erasure.artefact.classifier).eval().requires_grad_(False).to(erasure.settings.device)
    return AskedContext(
        task=erasure.task.steering,
        original=lambda: original,
        fresh=erasure.artefact.fresh,
        recipe=erasure.retraining.recipe,
        seed=erasure.settings.seed,
        unknown=unknown,
    )


def _by_function(erasure: Erasure) -> Phases:
    """Retraining by the user's own function, as one edit of the weights."""
    function = erasure.retraining.function
    if function is None:
        raise TypeError("no function")

    def retrain(model: PixelClassifier) -> None:
        with torch.enable_grad():
            trained = function(erasure.task.retain, erasure.settings.seed)
        model.load_state_dict(fitted(trained, erasure.artefact.classifier).state_dict())

    yield Edit("retrain", retrain)
