"""A finished erase run as an audit: what it says about itself becomes the job, and must still be what it was.

A run directory flows in, fields of an `AuditJob` flow out. A directory never names code that is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from expunge.app.desk import Desk
from expunge.app.inputs import run_root
from expunge.app.job import AuditJob
from expunge.app.reopen import SAME, EraseRun, check_code, check_made, check_unchanged, erase_run
from expunge.app.rundir import began_with, stored_job
from expunge.errors import InputError
from expunge.models.artefact import ModelArtefact
from expunge.types import SPLITS, ErasureTask


def run_fields(path: Path) -> dict[str, Any]:
    """The fields of an `AuditJob` that a finished erase run answers.

    Raises:
        RunDirectoryError: there is none, it is not finished, or it is no erase run.
    """
    run = erase_run(path, device="auto", threads=0)
    job = run.job
    trained = sorted((path / "references").glob("[0-9]*"), key=lambda place: int(place.name))
    fields = job.model_dump(mode="json", include={"data", "seed", "engine", "request", "method", "recipe"})
    weights = job.model.weights
    # an architecture of our own may be named by a directory; a user's code only by the user
    own = {"factory": job.model.path} if weights is not None and ":" not in job.model.path else {}
    return {
        **fields,
        **own,
        "run": str(path),
        "models": [str(path)],
        "original": job.model.path if weights is None else str(weights),
        "head": job.model.head,
        "normalise": job.model.normalise,
        "reference": {"paths": [*job.reference.paths, *map(str, trained)]},
    }


def audited_run(job: AuditJob) -> EraseRun | None:
    """The run that `job` audits, if any; before its models are loaded.

    Raises:
        InputError: other models are named beside it.
        ModelError: its network is built by a factory that was not repeated.
    """
    if job.run is None:
        return None
    if [Path(model).resolve() for model in job.models] != [job.run.resolve()]:
        expected, remedy = "no other model than the run's", "audit others without --run"
        raise InputError("models (--model)", expected=expected, came=", ".join(job.models), remedy=remedy)
    run = erase_run(job.run, device=job.engine.device, threads=job.engine.threads)
    check_code(run.job, job.factory)
    return run


def reference_doubts(paths: Sequence[str], inputs: Mapping[str, str]) -> list[str]:
    """What finished runs that are named as references say of whom they were trained without.

    Args:
        paths: of references; only runs say anything. inputs: fingerprints of pictures and request now.

    Raises:
        InputError: one was trained on all of these pictures, or made by another method than retraining.
    """
    said = []
    for path in map(Path, paths):
        place = run_root(path)
        job = stored_job(place) or {}
        kind, began = job.get("kind"), began_with(place) or {}
        same = {name for name in ("pictures", "request") if began.get(name) == inputs[name]}
        came = "one trained on everybody" if kind == "train" and job.get("without") is None and same else ""
        if kind == "erase" and job["method"]["name"] != "retrain":
            came = f"a run of {job['method']['name']}"
        if came:
            raise InputError(str(path), expected="a model retrained without the erased people", came=came)
        if kind is not None and len(same) < 2:
            unlike = "other pictures or another request: whether it saw erased people is not known"
            said.append(f"The reference {path} was trained for {unlike}.")
    return said


def check_same_run(
    run: EraseRun, inputs: Mapping[str, str], task: ErasureTask, models: Sequence[ModelArtefact], desk: Desk
) -> None:
    """Refuse an audit of something else than the run erased and made.

    Args:
        run: as it says. inputs: fingerprints of pictures and request now. task: the four sets now.
        models: the original, and what the run made. desk: who listens.

    Raises:
        InputError: pictures, request or weights are not what they were.
    """
    original, made = models
    now = {**inputs, "weights": original.weights_sha256}
    for name, what in SAME.items():
        check_unchanged(run.path, what, run.inputs.get(name), now[name])
    counts = {name: len(task.split(name)) for name in SPLITS}
    if counts != run.counts:
        raise InputError(str(run.path), expected=f"sets of {dict(run.counts)} pictures", came=f"sets of {counts}")
    check_made(run, made, desk)
