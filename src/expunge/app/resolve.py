"""From the request part of a job to an erasure task: reads the file, merges the flags, finds copies.

A job and a data set flow in; a `Resolution` and the fingerprints of what was asked and answered flow out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from expunge.app.desk import Desk
from expunge.app.job import RequestJob
from expunge.data.columns import UNUSED
from expunge.data.dataset import Dataset, assemble
from expunge.data.requests import ErasureRequest, NearCopies, Resolution, resolve
from expunge.errors import RequestError

ERASED_BEFORE = "erased before"  # fingerprint of whoever took no part, among those of the inputs
ANSWER, MOVED, SHOWN = "near copies of the same name", "erased too", 5


def read_request(job: RequestJob) -> ErasureRequest:
    """Everything that flags and file ask for, each name once, in order.

    Raises:
        RequestError: nothing is asked for, or the file cannot be read.
    """
    return gather_request(job.subjects, job.pictures, job.file)


def gather_request(subjects: tuple[str, ...], pictures: tuple[str, ...], file: Path | None) -> ErasureRequest:
    """The same from its parts.

    Raises:
        RequestError: nothing is asked for, or the file cannot be read.
    """
    if not (subjects or pictures or file):
        raise RequestError(
            "request",
            expected="somebody to erase (--forget-subject, --forget-picture or --request)",
            came="nothing",
        )
    read = ErasureRequest.from_file(file) if file is not None else ErasureRequest()
    return ErasureRequest(
        subjects=tuple(dict.fromkeys((*subjects, *read.subjects))),
        pictures=tuple(dict.fromkeys((*pictures, *read.pictures))),
    )


def request_sha256(request: ErasureRequest) -> str:
    """Fingerprint of who and what is asked for, whatever the order."""
    return hashlib.sha256(json.dumps([sorted(request.subjects), sorted(request.pictures)]).encode()).hexdigest()


def resolve_job(
    job: RequestJob, data: Dataset, *, desk: Desk, began: Mapping[str, str] | None = None
) -> tuple[Resolution, dict[str, str]]:
    """The erasure task of a job, and fingerprints of its request and of what was answered about near copies.

    Whoever was erased before takes no part in it: their pictures stay out of all four sets.

    With `ask`, whoever sits at the desk decides on near copies that bear the name of the picture they copy; where
    nobody sits there they are listed for review.

    Args:
        job: who or what. data: all pictures. desk: who listens.
        began: fingerprints with which the run that is resumed began; what was answered then is not asked again.

    Raises:
        RequestError: the request cannot be carried out as written.
    """
    request, erased = read_request(job), ErasureRequest(job.erased_subjects, job.erased_pictures)
    desk.stage("looking for copies")
    asked = {"request": request_sha256(request)}
    if erased.subjects or erased.pictures:
        data = without_erased(data, erased, near_copies="ignore" if job.near_copies == "ignore" else "move")
        asked[ERASED_BEFORE] = request_sha256(erased)
    found = resolve(request, data, near_copies=job.near_copies)
    same = [str(entry["id"]) for entry in found.findings.near_review if entry["same_subject"]]
    if job.near_copies != "ask" or not same:
        return found, asked
    move = desk.confirm(_question(same), unasked=False) if began is None else began.get(ANSWER) == MOVED
    if move:
        found = resolve(request, data, near_copies="move")
    return found, asked | {ANSWER: MOVED if move else "listed for review"}


def without_erased(data: Dataset, erased: ErasureRequest, *, near_copies: NearCopies) -> Dataset:
    """The data without the pictures of an earlier request, and without copies of them in any role.

    Raises:
        RequestError: somebody whom the data does not know.
    """
    task = resolve(erased, data, near_copies=near_copies).task
    stay = np.concatenate([task.retain.ids, task.tuning.ids, task.reporting.ids])
    roles = np.where(np.isin(data.pictures.ids, stay), data.roles, UNUSED)
    return assemble(data.pictures, roles, unreadable=data.unreadable, columns=data.columns)


def _question(same: list[str]) -> str:
    shown = ", ".join(same[:SHOWN]) + (" and more" if len(same) > SHOWN else "")
    return f"{len(same)} pictures that stay look like erased ones of the same name ({shown}). Erase these too?"
