"""Whom a purge is about: the people and pictures that a finished run erased, found anew in the user's own data.

A run directory flows in; names, pictures to look for and fingerprints flow out. Nothing is written, not even a cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from expunge.app.desk import Desk
from expunge.app.inputs import data_spec, known_of, model_place, read_pictures
from expunge.app.job import DataJob, RequestJob
from expunge.app.reopen import EraseRun, erase_run
from expunge.app.resolve import read_request, request_sha256, resolve_job
from expunge.audits.halves import fingerprint
from expunge.data.dataset import Dataset
from expunge.data.digests import encoded_pictures
from expunge.data.leftovers import Wanted
from expunge.data.mentions import Names
from expunge.data.published import LAYOUTS
from expunge.data.requests import ErasureRequest, Resolution
from expunge.errors import RequestError

REMEDY = "purge first, and remove the pictures from your own data afterwards"


@dataclass(frozen=True)
class Scope:
    """Whom a purge is about, and what belongs to the run that erased them.

    Args:
        run: the run. request: whom it erased. names: of them and of their pictures.
        classes: those of the names that a model answers with, as a recogniser of people does.
        wanted: their pictures. without: fingerprints of the sets that do not hold them.
    """

    run: EraseRun
    request: ErasureRequest
    names: Names
    classes: frozenset[str]
    wanted: Wanted
    without: frozenset[str]

    @property
    def data(self) -> Path:
        """The user's own pictures, which no purge touches."""
        return source_of(self.run.job.data)

    @property
    def original(self) -> Path:
        """The model that the run erased from."""
        return Path(model_place(self.run.job.model.path)).resolve()

    def is_source(self, path: Path) -> bool:
        """Whether a file belongs to the user's own pictures."""
        root = self.run.job.data.root
        places = (self.data, *([root.resolve()] if root is not None else []))
        return any(place == path or place in path.parents for place in places)


def scope_of(place: Path, desk: Desk) -> Scope:
    """Whom the finished erase run at `place` erased.

    Raises:
        RunDirectoryError: no finished erase run.
        RequestError: its request or its pictures are not there any more: nobody can tell what to look for.
    """
    run = erase_run(place.resolve(), device="cpu", threads=0)
    job = run.job
    request = read_request(job.request)
    data = _pictures(run, desk)
    found = _resolved(run, data, desk)
    if request_sha256(request) != run.inputs["request"] or len(found.task.forget) != run.counts["forget"]:
        expected = f"the request of the run and its {run.counts['forget']} pictures in {job.data.path}"
        raise RequestError("run (--run)", expected=expected, came=f"{len(found.task.forget)}", remedy=REMEDY)
    review = np.isin(data.pictures.ids, [str(entry["id"]) for entry in found.findings.near_review])
    spec = data_spec(job.data)
    encoded, stays = (
        encoded_pictures(spec, rows.tolist()) for rows in (found.task.forget.rows, data.pictures.rows[review])
    )
    names = Names((*request.subjects, *found.task.forget.ids.tolist()))
    return Scope(
        run=run,
        request=request,
        names=names,
        classes=names.all.intersection(chain.from_iterable(data.pictures.spec.classes)),
        wanted=Wanted(encoded, stays),
        without=frozenset(map(fingerprint, (found.task.retain, found.task.tuning, found.task.reporting))),
    )


def source_of(data: DataJob) -> Path:
    """Where the pictures of a job lie."""
    layout, _, place = data.path.partition(":")
    return Path(place if layout in LAYOUTS else data.path).resolve()


def _pictures(run: EraseRun, desk: Desk) -> Dataset:
    known = known_of(str(run.path / "model"), None, run.job.data.labels)
    channels = known.shape.channels if known.shape is not None else 3
    uncached = run.job.data.model_copy(update={"cache": None})
    return read_pictures(uncached, size=known.size(uncached.size), channels=channels, desk=desk, spec=known.spec)


def _resolved(run: EraseRun, data: Dataset, desk: Desk) -> Resolution:
    """The erasure task as it was; pictures that look like erased ones are searched for in any case."""
    asked: RequestJob = run.job.request
    if asked.near_copies == "ignore":
        asked = asked.model_copy(update={"near_copies": "ask"})
    try:
        return resolve_job(asked, data, desk=desk, began=run.inputs)[0]
    except RequestError as error:
        raise RequestError(error.field, expected=error.expected, came=error.came, remedy=REMEDY) from None
