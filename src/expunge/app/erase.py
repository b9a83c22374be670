"""Use case: erase people or pictures from a model, from files to a finished run directory.

The straight line: pictures, model, request, references, method through the engine, audits, report. A job flows in,
a run directory flows out. Bad input is found before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from expunge.app.desk import Desk, duration
from expunge.app.freeze import decided, freeze, run_key
from expunge.app.handoff import CARD, PAGE, card_facts, handoff, handoff_facts
from expunge.app.inputs import load_beside, load_for_data
from expunge.app.job import EraseJob, MethodJob
from expunge.app.jobfile import job_fields
from expunge.app.line import Erased, Erasure, run_line
from expunge.app.measure import plain
from expunge.app.references import Retraining, check_apart, price, save_whole
from expunge.app.reporting import Cover, erasure_report
from expunge.app.resolve import resolve_job
from expunge.app.results import erasure_metrics
from expunge.app.rundir import RunDirectory, began_with, check_out, finished, open_run
from expunge.app.user import train_function
from expunge.engine.events import Events
from expunge.engine.settings import EngineSettings
from expunge.errors import InputError
from expunge.evidence.report import handoff_html, model_card, render_report, write_page
from expunge.methods.registry import resolve_method


class Begin(Protocol):
    """Whoever must know before a run starts; answers with an earlier run, if that is all that is needed."""

    def __call__(self, out: Path, frozen: Mapping[str, Any]) -> Path | None: ...


def erase_files(job: EraseJob, *, desk: Desk, resume: bool = False, begin: Begin | None = None) -> Path:
    """Erase as `job` says; the answer is the finished run directory.

    Args:
        job: what to erase, from what, how. desk: who listens. resume: continue an interrupted run.
        begin: called with the run directory and the frozen job once everything is checked and nothing is written.

    Raises:
        InputError: anything about the job, its files or its directory; nothing is written then.
        Unavailable: the method or a reference needs something that nobody knows.
        Interrupted: stopped from outside; can be resumed.
    """
    out = check_out(job.out, resume=resume)
    job, settings = decided(settled(job), out)
    if finished(out, job_fields(job)):
        return out
    erasure, inputs = load(job, settings, desk, began=began_with(out))
    check_apart([erasure.artefact], erasure.references)
    frozen = freeze(job, inputs)
    erasure = replace(erasure, key=run_key(frozen))
    if begin is not None and (earlier := begin(out, frozen)) is not None:
        return earlier
    with open_run(out, frozen, resume=resume) as run:
        if not run.has_progress:
            ask_price(erasure, desk)
        erased = run_line(erasure, run=run, desk=desk)
        write_results(erasure, erased, job, frozen, run, desk)
        return run.finish()


def settled(job: EraseJob) -> EraseJob:
    """The job with every setting of its method written out.

    Raises:
        MethodError: no such method or setting.
    """
    method, config = resolve_method(job.method.name, job.method.set)
    return job.model_copy(update={"method": MethodJob(name=method.name, set=plain(asdict(config)))})


def load(
    job: EraseJob, settings: EngineSettings, desk: Desk, *, began: dict[str, str] | None = None
) -> tuple[Erasure, dict[str, str]]:
    """Everything that a job names, checked; and fingerprints of the inputs (`began`: those of the run resumed)."""
    method, config = resolve_method(job.method.name, job.method.set)
    function = train_function(job.recipe.function) if job.recipe.function else None
    data, artefact = load_for_data(job.model, job.data, desk=desk)
    references = load_beside(job.reference.paths, job.model.path, artefact, data)
    resolution, asked = resolve_job(job.request, data, desk=desk, began=began)
    base = artefact.recipe
    recipe = job.recipe.recipe(base, base.seed if base is not None else job.seed)
    retraining = Retraining(artefact, resolution.task.retain, recipe, function, settings)
    erasure = Erasure(
        resolution=resolution,
        artefact=artefact,
        method=method,
        config=config,
        retraining=retraining,
        references=references,
        train=job.reference.train,
        settings=settings,
        key="",
    )
    inputs = {"pictures": data.fingerprint, "weights": artefact.weights_sha256, **asked}
    inputs["recipe"] = run_key(plain(recipe)) if recipe is not None else "none"
    return erasure, inputs | {f"reference-{i}": r.weights_sha256 for i, r in enumerate(references, start=1)}


def ask_price(erasure: Erasure, desk: Desk) -> None:
    """Say what training the references will cost, and let the user refuse.

    Raises:
        InputError: the user refused.
    """
    if not erasure.train:
        return
    desk.stage("pricing the references")
    seconds = price(erasure.retraining)
    cost = f"about {duration(seconds * erasure.train)}" if seconds is not None else "an unknown time"
    desk.say(f"training {erasure.train} reference(s) will take {cost}")
    if not desk.confirm("Train them?"):
        raise InputError("reference (--reference)", expected="a yes", came="no", remedy="use --reference PATH or none")


def write_results(
    erasure: Erasure, erased: Erased, job: EraseJob, frozen: dict[str, Any], run: RunDirectory, desk: Desk
) -> None:
    """Model with its card, numbers, report and hand-off page of a run."""
    desk.stage("writing the report")
    save_whole(replace(erasure.artefact, classifier=erased.model), run.path("model"))
    checked = handoff_facts(erasure.artefact, erased.model, run.path("model"))
    metrics = {**erasure_metrics(erasure, erased), "handoff": checked}
    run.write_json("metrics.json", metrics)
    events = Events.read(run.path("events.jsonl"))
    # fewer observations than names where there is no reference
    seen = dict(zip(("before", "after", "reference"), (erased.before, erased.after, *erased.beside), strict=False))
    data = erasure_report(erasure, seen, frozen, metrics, events=events, cover=Cover(show_faces=job.show_faces))
    render_report(data, run.path("report.html"))
    write_page(model_card(data, card_facts(erasure, metrics)), run.path("model") / CARD)
    # last, since it lists the files of the model
    write_page(handoff_html(handoff(run.work, frozen, metrics, onnx=None)), run.path(PAGE))
