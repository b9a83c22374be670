"""Use case: look at data and request before anything is trained, and say what speaks against going on.

A job flows in; facts, findings and a verdict flow out, on one page where that is asked for. What would make an erasure
refuse its input makes the check refuse it in the same words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.app.checkcost import costs
from expunge.app.checkfacts import (
    Repeats,
    across_sets,
    asked_parts,
    class_balance,
    comparisons,
    label_doubts,
    owner_doubts,
    set_sizes,
)
from expunge.app.desk import Desk
from expunge.app.freeze import decided
from expunge.app.job import CheckJob
from expunge.app.measure import plain
from expunge.app.resolve import resolve_job
from expunge.app.rundir import disk_errors, write_whole
from expunge.app.train import fresh_artefact, read_for_network
from expunge.app.versions import EXPUNGE
from expunge.audits.registry import AUDITS
from expunge.data.dataset import Dataset
from expunge.data.requests import Resolution
from expunge.engine.settings import EngineSettings
from expunge.errors import RunDirectoryError
from expunge.evidence.preflight import (
    Finding,
    Preflight,
    Shown,
    check_page,
    effects,
    findings,
    shown_tables,
    told,
    verdict,
)
from expunge.types import TrainRecipe

PAGE, NUMBERS = "check.html", "check.json"
FORMAT = 1


@dataclass(frozen=True)
class Checked:
    """The result of a check."""

    data: Preflight
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """`go`, `warnings` or `stop`."""
        return verdict(self.findings)

    @property
    def headline(self) -> str:
        """The verdict as a sentence."""
        return told(self.findings)

    @property
    def tables(self) -> tuple[Shown, ...]:
        """The facts as tables of text."""
        return shown_tables(self.data)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        about = {"format": FORMAT, "expunge": EXPUNGE, "verdict": self.verdict}
        return {**about, "findings": plain(self.findings), **plain(self.data)}

    def summary(self) -> dict[str, Any]:
        """The same without lists of single pictures: how many there are instead."""
        whole = self.to_json()
        counted = {key: len(value) if isinstance(value, list) else value for key, value in whole["copies"].items()}
        lists = {key: len(whole[key]) for key in ("labels", "owners", "unreadable")}
        return {**whole, "copies": counted, **lists}


def check_files(job: CheckJob, *, desk: Desk) -> Checked:
    """Check what `job` names; nothing is trained, and nothing is written but the page and its numbers.

    Raises:
        InputError: anything about the job, its data or its request that an erasure would refuse.
    """
    out = _place(job.out)
    job, settings = decided(job, None)
    data = read_for_network(job, desk)
    resolution, _ = resolve_job(job.request, data, desk=desk)
    found = preflight(job, data, resolution, settings, desk)
    checked = Checked(found, findings(found))
    if out is not None:
        with disk_errors(out):
            out.mkdir(parents=True, exist_ok=True)
            write_whole(out / NUMBERS, json.dumps(checked.to_json(), indent=1, allow_nan=False) + "\n")
            write_whole(out / PAGE, check_page(checked.data, checked.findings))
    return checked


def preflight(job: CheckJob, data: Dataset, resolution: Resolution, settings: EngineSettings, desk: Desk) -> Preflight:
    """All facts."""
    task = resolution.task
    parts = asked_parts(data, resolution)
    desk.stage("comparing sets")
    repeats = Repeats.of(data)
    sizes = set_sizes(task, parts, repeats)
    alike = comparisons(task, repeats, seed=job.seed)
    desk.stage("pricing methods")
    artefact = fresh_artefact(job, data)
    recipe = job.recipe.recipe(artefact.recipe or TrainRecipe(), job.seed) or TrainRecipe()
    prices, machine = costs(artefact, task, recipe, settings)
    return Preflight(
        request={"subjects": resolution.findings.subjects, "pictures": resolution.findings.pictures},
        sets=sizes,
        overlaps=across_sets(repeats, parts),
        labels=label_doubts(repeats, parts),
        owners=owner_doubts(repeats, parts),
        copies=_lists(resolution),
        classes=class_balance(task),
        effects=effects(tuple(AUDITS), sizes),
        comparisons=alike,
        costs=prices,
        machine=machine,
        unreadable=data.unreadable,
    )


def _lists(resolution: Resolution) -> dict[str, object]:
    """Lists and sentences of the resolution; its counts stand elsewhere."""
    return {key: value for key, value in resolution.findings.to_json().items() if isinstance(value, list | tuple)}


def _place(out: Path | None) -> Path | None:
    if out is not None and out.exists() and not out.is_dir():
        raise RunDirectoryError("out (--out)", expected="a directory", came=f"the file {out}")
    return out
