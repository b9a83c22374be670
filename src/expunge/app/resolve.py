"""From the request part of a job to an erasure task: reads the file, merges the flags, finds copies.

A job and a data set flow in; a `Resolution` and the fingerprint of what was asked flow out.
"""

from __future__ import annotations

import hashlib
import json

from expunge.app.desk import Desk
from expunge.app.job import RequestJob
from expunge.data.dataset import Dataset
from expunge.data.requests import ErasureRequest, Resolution, resolve
from expunge.errors import RequestError


def read_request(job: RequestJob) -> ErasureRequest:
    """Everything that flags and file ask for, each name once, in order.

    Raises:
        RequestError: nothing is asked for, or the file cannot be read.
    """
    if job.empty:
        raise RequestError(
            "request",
            expected="somebody to erase (--forget-subject, --forget-picture or --request)",
            came="nothing",
        )
    file = ErasureRequest.from_file(job.file) if job.file is not None else ErasureRequest()
    return ErasureRequest(
        subjects=tuple(dict.fromkeys((*job.subjects, *file.subjects))),
        pictures=tuple(dict.fromkeys((*job.pictures, *file.pictures))),
    )


def request_sha256(request: ErasureRequest) -> str:
    """Fingerprint of who and what is asked for, whatever the order."""
    return hashlib.sha256(json.dumps([sorted(request.subjects), sorted(request.pictures)]).encode()).hexdigest()


def resolve_job(job: RequestJob, data: Dataset, *, desk: Desk) -> tuple[Resolution, str]:
    """The erasure task of a job, and the fingerprint of its request.

    Raises:
        RequestError: the request cannot be carried out as written.
    """
    request = read_request(job)
    desk.stage("looking for copies")
    return resolve(request, data, near_copies=job.near_copies), request_sha256(request)
