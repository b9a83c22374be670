"""What must hold before an erasure for requests of a ledger: whom it erases, from which model, who stays out of it.

Jobs, requests and registers flow in; jobs that leave out the erased flow out, or the reason why nothing may start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from expunge.app.desk import Desk
from expunge.app.erased import meant_by, named_in
from expunge.app.inputs import load_for_data
from expunge.app.job import EraseJob
from expunge.app.lastmodel import check_there
from expunge.app.ledger import Books
from expunge.app.ledgerkeys import keys_of, pseudonyms_of
from expunge.app.recording import SHOWN
from expunge.app.resolve import read_request
from expunge.app.rundir import stored_job
from expunge.data.requests import ErasureRequest
from expunge.errors import RequestError
from expunge.evidence.ledger.lineage import everybody_erased, newest, successors
from expunge.evidence.ledger.pseudonyms import PseudonymKey
from expunge.evidence.ledger.register import Register, Request

FIELD = "request id (--request-id)"


def past_left_out(job: EraseJob, books: Books, desk: Desk) -> EraseJob:
    """The job with everybody in the data whom a run of the ledger erased before; nothing shall learn from them again.

    A run that is resumed keeps those with whom it began.

    Raises:
        InputError: pictures or model cannot be read.
    """
    stored = stored_job(job.out) if job.out is not None else None
    if stored is not None:
        began = stored.get("request", {})
        return _leaving_out(job, began.get("erased_subjects", ()), began.get("erased_pictures", ()))
    with books.open().reading() as view:
        register, keys = view.register(), keys_of(books.key, view)
    erased = everybody_erased(register)
    if not erased:
        return job
    check_there(job.model, register)
    data, _ = load_for_data(job.model, job.data, desk=desk)
    past, _ = meant_by(erased, named_in(data.role("train")), keys)
    asked = read_request(job.request)
    subjects = dict.fromkeys((*job.request.erased_subjects, *past.subjects))
    pictures = dict.fromkeys((*job.request.erased_pictures, *past.pictures))
    return _leaving_out(
        job,
        [name for name in subjects if name not in asked.subjects],
        [name for name in pictures if name not in asked.pictures],
    )


def _leaving_out(job: EraseJob, subjects: Iterable[str], pictures: Iterable[str]) -> EraseJob:
    erased = {"erased_subjects": tuple(subjects), "erased_pictures": tuple(pictures)}
    return job.model_copy(update={"request": job.request.model_copy(update=erased)})


def check_last(register: Register, model: str, numbers: Collection[int]) -> None:
    """Refuse a model from which others were erased since: who starts from it brings them back.

    A second attempt at the same requests may start where the first one did.

    Raises:
        RequestError: naming the run that made the last model of the line.
    """
    since = [run for run in successors(register, model) if not run.requests or not set(run.requests) <= set(numbers)]
    if since:
        last = newest(register, model) or since[-1]
        raise RequestError(
            "model (--model)",
            expected=f"the last model of its line, made by run {last.run[:SHOWN]} in {last.out}",
            came=f"one from which {len(since)} runs erased others since",
            remedy="start from that one, or use --pending, which does",
        )


def check_same(
    requests: Sequence[Request], keys: list[PseudonymKey], asked: ErasureRequest, erased: Collection[str]
) -> None:
    """Refuse a job that erases others than the requests ask for; who is erased already may be left out of it.

    Raises:
        RequestError: it does, or nobody can tell, since a request's key was dropped.
    """
    names = {name for request in requests for name in request.names}
    held = {key.name for key in keys}
    numbers = told_numbers([request.number for request in requests])
    if any(name.partition(":")[0] not in held for name in names):
        raise RequestError(FIELD, expected="a request whose key is there", came=f"{numbers}, whose is dropped")
    every = pseudonyms_of(keys, asked)
    meant = {every[name] for name in names if name in every}
    more, less = set(every.values()) - meant, names - every.keys() - set(erased)
    if more or less:
        came = f"a job with {len(more)} that it does not name, and without {len(less)} that it does"
        raise RequestError(FIELD, expected=f"a job for everybody in request {numbers} and nobody else", came=came)


def told_numbers(numbers: Collection[int]) -> str:
    """Numbers of requests as text.

    Example:
        >>> told_numbers((7, 9)), told_numbers(())
        ('7, 9', 'none')
    """
    return ", ".join(map(str, numbers)) or "none"
