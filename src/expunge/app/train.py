"""Use case: train an original, or a reference that never sees some pictures, into a run directory.

A job flows in, a finished run directory flows out; its `model/` knows the recipe, so that it can be retrained.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from expunge.app.desk import Desk
from expunge.app.erased import check_not_erased, named_in
from expunge.app.freeze import decided, freeze, run_key
from expunge.app.inputs import Known, check_answers, fresh_shape, known_of, model_place, read_pictures, side_of
from expunge.app.job import CheckJob, RecipeJob, RequestJob, TrainJob
from expunge.app.jobfile import job_fields
from expunge.app.ledger import Books
from expunge.app.measure import plain, train_accuracies
from expunge.app.references import save_whole
from expunge.app.resolve import resolve_job
from expunge.app.rundir import RunDirectory, began_with, check_out, finished, open_run
from expunge.app.user import UserTrain, fitted, train_function
from expunge.data.dataset import Dataset
from expunge.engine.events import Events
from expunge.engine.recipe import train_model
from expunge.engine.settings import EngineSettings
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import PixelClassifier
from expunge.models.load import load_model, new_model
from expunge.types import PictureSet, TrainRecipe


@dataclass(frozen=True)
class Training:
    """All that a training needs, loaded and checked."""

    pictures: PictureSet
    artefact: ModelArtefact
    recipe: TrainRecipe
    function: UserTrain | None
    settings: EngineSettings
    key: str


def train_files(job: TrainJob, *, desk: Desk, resume: bool = False, books: Books | None = None) -> Path:
    """Train as `job` says; the answer is the finished run directory.

    Args:
        job: what to train, on what. desk: who listens. resume: continue an interrupted run.
        books: a ledger, by which nobody may be erased whose pictures are trained on.

    Raises:
        DataError: somebody is.
        InputError: anything about the job, its files or its directory; nothing is written then.
        Interrupted: stopped from outside; can be resumed.
    """
    out = check_out(job.out, resume=resume)
    recipe = job.recipe.recipe(TrainRecipe(), job.seed) or TrainRecipe(seed=job.seed)
    job, settings = decided(job.model_copy(update={"recipe": RecipeJob.of(recipe, job.recipe.function)}), out)
    if finished(out, job_fields(job)):
        return out
    function = train_function(job.recipe.function) if job.recipe.function else None
    data, pictures, found = _pictures(job, desk)
    if books is not None:
        check_not_erased(named_in(pictures), books)
    artefact = fresh_artefact(job, data)
    check_answers(artefact, pictures)
    frozen = freeze(job, {"pictures": data.fingerprint, "weights": artefact.weights_sha256, **found.pop("inputs", {})})
    training = Training(pictures, artefact, recipe, function, settings, run_key(frozen))
    with open_run(out, frozen, resume=resume) as run:
        model = _train(training, run, desk)
        desk.stage("measuring")
        metrics = {"format": 1, "kind": "train", "pictures": len(pictures), **found}
        _finish(training, model, data, metrics, run)
        return run.finish()


def read_for_network(job: TrainJob | CheckJob, desk: Desk) -> Dataset:
    """The pictures of a job, as its network takes them."""
    place = model_place(job.model.path) if job.model.path else None
    known = known_of(place, None, job.data.labels) if place else Known(None, None, side_of(job.model.arch))
    channels = known.shape.channels if known.shape is not None else 3
    return read_pictures(job.data, size=known.size(job.data.size), channels=channels, desk=desk, spec=known.spec)


def _pictures(job: TrainJob, desk: Desk) -> tuple[Dataset, PictureSet, dict[str, Any]]:
    data = read_for_network(job, desk)
    if job.without is None:
        return data, data.role("train"), {}
    request = RequestJob(file=job.without, near_copies=job.near_copies)
    resolution, asked = resolve_job(request, data, desk=desk, began=began_with(job.out))
    found = {"request": plain(resolution.findings), "inputs": asked}
    return data, resolution.task.retain, found


def fresh_artefact(job: TrainJob | CheckJob, data: Dataset) -> ModelArtefact:
    """The network to train, freshly initialised."""
    spec, size = data.pictures.spec, (data.store.height, data.store.width)
    place = model_place(job.model.path) if job.model.path is not None else job.model.arch
    if job.model.path is None or not Path(place).is_dir():
        return new_model(place, spec, fresh_shape(place, size, spec.logits), seed=job.seed)
    known = load_model(place, spec=spec)
    return replace(known, classifier=known.fresh(job.seed))


def _train(training: Training, run: RunDirectory, desk: Desk) -> PixelClassifier:
    desk.stage("training")
    model = training.artefact.classifier
    if training.function is not None:
        with torch.random.fork_rng():
            torch.manual_seed(training.recipe.seed)
            return fitted(training.function(training.pictures, training.recipe.seed), model)
    train_model(
        model,
        training.pictures,
        training.recipe,
        settings=training.settings,
        key=training.key,
        checkpoints=run.checkpoints / "train",
        events=Events(run.path("events.jsonl")),
        progress=desk.progress,
    )
    return model


def _finish(
    training: Training, model: PixelClassifier, data: Dataset, metrics: dict[str, Any], run: RunDirectory
) -> None:
    recipe = None if training.function is not None else training.recipe
    save_whole(replace(training.artefact, classifier=model, recipe=recipe), run.path("model"))
    accuracies = train_accuracies(model, training.pictures, data, training.settings)
    run.write_json("metrics.json", {**metrics, "accuracy": accuracies})
