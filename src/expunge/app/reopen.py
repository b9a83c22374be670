"""Finished erase runs, taken up again: everything that their jobs name is loaded and must be what it was.

Run directories flow in; the erasure, the unlearned models and a reference flow out. A directory never names code
that is run: a factory is repeated by the caller, a training function is not called at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from expunge.app.desk import Desk
from expunge.app.erase import load
from expunge.app.freeze import decided
from expunge.app.job import EraseJob, ReferenceJob
from expunge.app.jobfile import build_job
from expunge.app.line import Erasure
from expunge.app.runs import load_run
from expunge.errors import InputError, ModelError, RunDirectoryError
from expunge.models.artefact import ModelArtefact

NARROW = (torch.float16, torch.bfloat16)
# fingerprints that must be those of the run, and what they are of
SAME: Mapping[str, str] = {"pictures": "pictures", "weights": "original model", "request": "request"}
REFERENCE = "reference-1"
NOT_FROZEN = ("kind", "frozen", "engine")


@dataclass(frozen=True)
class EraseRun:
    """What a finished erase run says about itself.

    Args:
        path: its directory.
        job: what was asked, but for how it was computed.
        inputs: fingerprints of what it read.
        after: fingerprint of the weights that it made.
        references: fingerprints of the references that it was compared with.
        counts: pictures of every split.
    """

    path: Path
    job: EraseJob
    inputs: Mapping[str, str]
    after: str
    references: tuple[str, ...]
    counts: Mapping[str, int]

    @property
    def trained(self) -> Path:
        """Where its first reference is, if it was trained there."""
        return self.path / "references" / "1"


@dataclass(frozen=True)
class Reopened:
    """Runs of one erasure task.

    Args:
        erasure: of the first run: task, original, settings.
        models: what each run made.
        reference: a retrained model that a run named or trained, or None.
    """

    erasure: Erasure
    models: tuple[ModelArtefact, ...]
    reference: ModelArtefact | None


def erase_run(path: str | Path, *, device: str, threads: int) -> EraseRun:
    """Read a finished erase run; `device` and `threads` are those of this machine.

    Raises:
        RunDirectoryError: there is none, it is not finished, or it is no erase run.
        InputError: its job has fields that this version does not know.
    """
    run = load_run(path)
    fields, measured = run.job, run.metrics
    if not isinstance(fields, dict) or fields.get("kind") != "erase":
        raise RunDirectoryError("run", expected="the directory of a finished `expunge erase`", came=str(path))
    asked = {name: value for name, value in fields.items() if name not in NOT_FROZEN}
    engine = {"engine.device": device, "engine.threads": threads}
    job = build_job(EraseJob, asked, engine)
    try:
        return EraseRun(
            run.path,
            job.model_copy(update={"recipe": job.recipe.model_copy(update={"function": None})}),
            dict(fields["frozen"]["inputs"]),
            str(measured["weights"]["after"]),
            tuple(str(reference["weights"]) for reference in measured["references"]),
            dict(measured["pictures"]),
        )
    except (KeyError, TypeError, ValueError):
        raise RunDirectoryError("run", expected="job.yaml and metrics.json as written", came=str(path)) from None


def reopen(runs: Sequence[EraseRun], desk: Desk, *, factory: str | None = None) -> Reopened:
    """Load everything that runs of one task share, and the model of each.

    Raises:
        InputError: they are not of one task, or pictures, request or weights are not what they were.
        ModelError: a model needs code that the caller did not name.
    """
    first = runs[0]
    check_one_task(runs)
    check_code(first.job, factory)
    named = next((run for run in runs if run.job.reference.paths), first)
    beside = ReferenceJob(paths=named.job.reference.paths[:1])
    job, settings = decided(first.job.model_copy(update={"reference": beside}), None)
    erasure, inputs = load(job, settings, desk, began=dict(first.inputs))
    for name, what in SAME.items():
        check_unchanged(first.path, what, first.inputs.get(name), inputs[name])
    if erasure.references:
        check_unchanged(named.path, "reference", named.inputs.get(REFERENCE), inputs[REFERENCE])
    models = tuple(_made(run, erasure.artefact, desk) for run in runs)
    return Reopened(erasure, models, erasure.references[0] if erasure.references else _trained(runs, erasure.artefact))


def check_one_task(runs: Sequence[EraseRun]) -> None:
    """Refuse runs that erased other pictures, or from another model.

    Raises:
        InputError: naming the first run that differs from the first one.
    """
    first = runs[0]
    for run in runs[1:]:
        differing = [what for name, what in SAME.items() if run.inputs.get(name) != first.inputs.get(name)]
        if run.counts != first.counts:
            differing.append("pictures to forget")
        if differing:
            expected = f"runs with the same {differing[0]} as {first.path}"
            raise InputError("run", expected=expected, came=str(run.path), remedy="draw them apart")


def check_code(job: EraseJob, factory: str | None) -> None:
    """Refuse to run code that a directory names and the caller did not.

    Raises:
        ModelError: the network is built by a factory that was not repeated.
    """
    named = job.model.path
    if ":" in named and not Path(named).exists() and named != factory:
        raise ModelError("factory (--factory)", expected=f"{named}, as in the run", came=repr(factory or "nothing"))


def check_made(run: EraseRun, found: ModelArtefact, desk: Desk) -> None:
    """Refuse a model that is not the one that the run wrote.

    Raises:
        InputError: its weights are others.
    """
    stored = found.form.stored(found.classifier.net).values()
    if any(value.dtype in NARROW for value in stored):
        # what was hashed is what was computed with; the file holds it rounded
        desk.warn(f"{run.path}: weights in half precision cannot be checked against the run's fingerprint")
        return
    check_unchanged(run.path, "weights in model/", run.after, found.weights_sha256)


def check_unchanged(path: Path, what: str, stored: str | None, now: str) -> None:
    """Refuse what is not what it was when the run at `path` read or wrote it.

    Raises:
        InputError: the fingerprints differ.
    """
    if stored != now:
        raise InputError(
            str(path),
            expected=f"the {what} that the run had (SHA-256 {str(stored)[:12]})",
            came=f"changed ones ({now[:12]})",
            remedy="run the erasure again",
        )


def _made(run: EraseRun, like: ModelArtefact, desk: Desk) -> ModelArtefact:
    """The model that a run made."""
    found = like.reopen(run.path / "model")
    check_made(run, found, desk)
    return found


def _trained(runs: Sequence[EraseRun], like: ModelArtefact) -> ModelArtefact | None:
    """The first reference that a run trained, where one did."""
    for run in runs:
        if run.trained.exists() and run.references:
            found = like.reopen(run.trained)
            check_unchanged(run.path, "reference", run.references[0], found.weights_sha256)
            return found
    return None
