"""Use case: measure finished models, however they were made, with or without retrained references.

A job flows in, a run directory flows out. The models are only looked at; which method made them is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from expunge.app.auditpages import audit_pages
from expunge.app.auditrun import audited_run, check_same_run, reference_doubts
from expunge.app.deeper import Audited, attacked, probed
from expunge.app.desk import Desk
from expunge.app.freeze import decided, freeze
from expunge.app.inputs import load_beside, load_for_data
from expunge.app.job import AuditJob, ModelJob
from expunge.app.jobfile import job_fields
from expunge.app.line import watch, watch_untrained
from expunge.app.measure import plain
from expunge.app.references import Retraining, check_apart
from expunge.app.resolve import resolve_job
from expunge.app.results import FORMAT, judged_report, reference_names
from expunge.app.rundir import began_with, check_out, finished, open_run
from expunge.app.tiers import PROBES, TIERS, Shadowing, Studied, shadow_study, workers_of
from expunge.app.user import train_function
from expunge.audits.breakdown import Groups
from expunge.audits.run import audit
from expunge.audits.shadowattacks import ShadowStudy
from expunge.data.dataset import Dataset
from expunge.data.requests import Resolution
from expunge.engine.launch import check_workers
from expunge.engine.settings import EngineSettings
from expunge.errors import InputError
from expunge.evidence.report import write_page
from expunge.methods.registry import resolve_method
from expunge.models.artefact import ModelArtefact
from expunge.types import SPLITS, ErasureTask, Split

SHADOWS = "shadows"


def audit_files(job: AuditJob, *, desk: Desk, resume: bool = False) -> Path:
    """Audit as `job` says; the answer is the finished run directory.

    Raises:
        InputError: anything about the job, its files or its directory; nothing is written then.
    """
    out = check_out(job.out, resume=resume)
    job, settings = decided(job, out)
    if finished(out, job_fields(job)):
        return out
    if job.reference.train:
        remedy = "train them with `expunge train --without REQUEST`"
        raise InputError("reference (--reference)", expected="paths of models", came="train", remedy=remedy)
    run = audited_run(job)
    data, models, original, references = _models(job, desk)
    began = began_with(out) or (dict(run.inputs) if run is not None else None)
    check_apart((*original, *models), references)
    resolution, asked = resolve_job(job.request, data, desk=desk, began=began)
    inputs = {"pictures": data.fingerprint, **asked}
    doubts = reference_doubts(job.reference.paths, inputs)
    inputs |= {f"model-{i}": m.weights_sha256 for i, m in enumerate((*original, *models, *references), start=1)}
    if run is not None:
        check_same_run(run, inputs, resolution.task, (*original, *models), desk)
    shadowing = _shadowing(job, resolution.task, (*original, *models)[0], settings, out)
    check_workers(shadowing.workers)
    groups = {column: _grouped(data, column, resolution.task) for column in job.groups}
    for doubt in doubts:
        desk.warn(doubt)
    with open_run(out, freeze(job, inputs), resume=resume) as work:
        studied = shadow_study(shadowing, desk)
        found = audit_models(models, original, references, resolution, settings=settings, desk=desk, groups=groups)
        found = [_deeper(one, studied, doubts, shadowing, desk) for one in found]
        named = dict(zip(names_of(job.models), found, strict=True))
        metrics = {**_metrics(named, resolution, references), **_shadow_counts(job, studied.study)}
        work.write_json("metrics.json", metrics)
        for name, text in audit_pages(metrics, inputs).items():
            write_page(text, work.path(name))
        return work.finish()


def audit_models(
    models: Sequence[ModelArtefact],
    original: Sequence[ModelArtefact],
    references: Sequence[ModelArtefact],
    resolution: Resolution,
    *,
    settings: EngineSettings,
    desk: Desk,
    groups: Groups | None = None,
) -> list[Audited]:
    """Look at every model's answers; `original` holds the model before erasure, or nothing."""
    desk.stage("looking at references")
    task = resolution.task
    before = [watch(model.classifier, task, settings) for model in original]
    beside = tuple(watch(model.classifier, task, settings) for model in references)
    untrained = watch_untrained(models[0], task, settings)
    found = []
    for number, model in enumerate(models, start=1):
        desk.stage(f"auditing model {number} of {len(models)}")
        after, was = watch(model.classifier, task, settings), before[0] if before else None
        found.append(
            Audited(
                original=original[0].classifier if original else None,
                model=model.classifier,
                references=tuple(reference.classifier for reference in references),
                before=was,
                after=after,
                beside=beside,
                report=audit(was, after, beside, untrained=untrained, seed=settings.seed, groups=groups),
                groups=groups or {},
            )
        )
    return found


def names_of(paths: Sequence[str]) -> list[str]:
    """A short name for every model: the last part of its path that tells it from the others.

    Example:
        >>> names_of(["runs/a", "runs/b"]), names_of(["a/model", "b/model"])
        (['a', 'b'], ['a/model', 'b/model'])
    """
    for parts in range(1, 20):
        short = ["/".join(Path(path).parts[-parts:]) for path in paths]
        if len(set(short)) == len(short):
            return short
    return [f"{number}: {path}" for number, path in enumerate(paths, start=1)]


def _models(
    job: AuditJob, desk: Desk
) -> tuple[Dataset, tuple[ModelArtefact, ...], tuple[ModelArtefact, ...], tuple[ModelArtefact, ...]]:
    """Pictures, audited models, original (or none), references."""
    first, *others = job.models
    if job.factory is not None:
        model = ModelJob(path=job.factory, weights=Path(first), head=job.head, normalise=job.normalise)
    else:
        model = ModelJob(path=first, head=job.head)
    data, artefact = load_for_data(model, job.data, desk=desk)

    def load(paths: Sequence[str]) -> tuple[ModelArtefact, ...]:
        return load_beside(paths, job.factory, artefact, data)

    original = load([job.original]) if job.original is not None else ()
    return data, (artefact, *load(others)), original, load(job.reference.paths)


def _grouped(data: Dataset, column: str, task: ErasureTask) -> dict[Split, np.ndarray[Any, Any]]:
    """The groups of a column that forgotten pictures and non-members are in, as text."""
    sides: tuple[Split, ...] = ("forget", "reporting")
    return {side: data.values(column, task.split(side)).astype(str) for side in sides}


def _deeper(audited: Audited, studied: Studied, doubts: Sequence[str], shadowing: Shadowing, desk: Desk) -> Audited:
    """The same with all that the tier asks for."""
    settings = shadowing.retraining.settings
    found = attacked(audited, studied.study, settings.seed)
    if studied.probes:
        desk.stage(PROBES)
        found = probed(found, shadowing.task, settings)
    return found.with_notes((*doubts, *studied.notes))


def _metrics(
    audited: dict[str, Audited], resolution: Resolution, references: Sequence[ModelArtefact]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": "audit",
        "request": plain(resolution.findings),
        "pictures": {name: len(resolution.task.split(name)) for name in SPLITS},
        "references": reference_names(references),
        # a list: names in a mapping would be sorted
        "audits": [{"model": name, **_judged(one)} for name, one in audited.items()],
    }


def _judged(audited: Audited) -> dict[str, Any]:
    curves = {"relearning": {"curves": plain(audited.relearning)}} if audited.relearning else {}
    return {**judged_report(audited.report), **curves}


def _shadowing(job: AuditJob, task: ErasureTask, like: ModelArtefact, settings: EngineSettings, out: Path) -> Shadowing:
    """What shadows are to be made of; `like` has the architecture of the original, and perhaps its recipe."""
    function = train_function(job.recipe.function) if job.recipe.function else None
    recipe = job.recipe.recipe(like.recipe, job.seed)
    beside = job.run if job.run is not None else out
    return Shadowing(
        tier=TIERS[job.tier],
        task=task,
        retraining=Retraining(like, task.retain, recipe, function, settings),
        unlearning=resolve_method(job.method.name, job.method.set) if job.method.name is not None else None,
        cache=job.data.cache / SHADOWS if job.data.cache is not None else beside.with_name(f"{beside.name}.{SHADOWS}"),
        workers=workers_of(job.workers, settings.threads),
    )


def _shadow_counts(job: AuditJob, study: ShadowStudy) -> dict[str, Any]:
    """The tier, and how many shadows of each kind there were in the end."""
    kinds = {"halves": study.halves, "unlearned": study.unlearned, "retrained": study.retrained}
    counts = {name: len(shadows.scaled) if shadows is not None else 0 for name, shadows in kinds.items()}
    return {"tier": job.tier, "shadows": counts}
