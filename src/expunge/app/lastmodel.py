"""The last model of a line, as far as it lies where its run wrote it; and which one to name for a model that is gone.

Registers, runs and models as users name them flow in; runs and models flow out. Purges delete the weights of a model
and leave its directory, so that a directory alone is no model.
"""

from __future__ import annotations

from pathlib import Path

from expunge.app.inputs import model_place, run_root, weights_file
from expunge.app.job import ModelJob
from expunge.app.recording import SHOWN, lies_at
from expunge.app.rundir import stored_job
from expunge.errors import InputError, ModelError, RequestError
from expunge.evidence.ledger.lineage import newest, successors
from expunge.evidence.ledger.register import FinishedRun, Register
from expunge.models.builtin import is_factory
from expunge.models.files import holds_weights


def last_there(register: Register, run: FinishedRun) -> FinishedRun | None:
    """The run of the last model, a run's own or one that came of it, that lies where it was written; None if none."""
    since = successors(register, str(run.after))
    end = newest(register, str(run.after)) or run
    return next((one for one in (end, *reversed(since), run) if lies_at(one.run, Path(one.out))), None)


def model_of(run: FinishedRun, given: ModelJob) -> ModelJob:
    """The model that a run made, read the way of the one that was given.

    Raises:
        RequestError: it is not where the run wrote it.
    """
    place = Path(run.out)
    if not lies_at(run.run, place):
        expected, came = f"the last model of its line in {place}, as run {run.run[:SHOWN]} wrote it", "no such run"
        raise RequestError("model", expected=expected, came=came, remedy="name where it is with --model")
    if is_factory(given.path) and not Path(given.path).exists():
        return given.model_copy(update={"weights": weights_file(place)})
    return given.model_copy(update={"path": str(place), "weights": None})


def check_there(model: ModelJob, register: Register) -> None:
    """Refuse a model whose weights are gone, as after a purge, and name the one that stands in its place.

    What the ledger cannot tell is left to whoever reads the model.

    Raises:
        ModelError: its weights are gone, and a run of the ledger erased from it.
    """
    place = model_place(str(model.weights or model.path))
    if holds_weights(Path(place)):
        return
    ends = {
        end.run: end
        for known in _models_at(register, run_root(Path(place).resolve()))
        if (end := newest(register, known))
    }
    if len(ends) != 1:
        return
    (last,) = ends.values()
    there = f"in {last.out}" if lies_at(last.run, Path(last.out)) else f"which was in {last.out} and is not any more"
    raise ModelError(
        "model (--model)",
        expected="a model whose weights are there",
        came=f"{place}, where none are",
        remedy=f"name the last model of its line with --model: that of run {last.run[:SHOWN]}, {there}",
    )


def _models_at(register: Register, place: Path) -> set[str]:
    """Models that lay at a place: made there by a run of the ledger, or erased from there by one."""
    runs = register.runs.values()
    made = {run.after for run in runs if run.after is not None and Path(run.out) == place}
    erasures = [Path(run.out) for run in runs if run.kind == "erase"]
    return made | {found for out in erasures if (found := _started_at(out, place)) is not None}


def _started_at(out: Path, place: Path) -> str | None:
    """The model that the erase run at `out` began with, if its job says that it lay at `place`."""
    try:
        job = stored_job(out) or {}
        at = run_root(Path(job["model"]["weights"] or job["model"]["path"]).resolve())
        return str(job["frozen"]["inputs"]["weights"]) if at == place else None
    except (InputError, KeyError, TypeError):  # thrown away, or somebody else's files
        return None
