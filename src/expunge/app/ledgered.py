"""Use case: an erasure for a request of the ledger, which knows of it before it starts and after it ends.

A job and the number of a request flow in, a finished run flows out: the one that was just made, or the earlier one by
which everybody asked for is erased already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.app.desk import Desk
from expunge.app.erase import erase_files
from expunge.app.job import EraseJob
from expunge.app.ledger import Books
from expunge.app.ledgerkeys import keys_of, pseudonyms_of
from expunge.app.recording import enter_run, job_pseudonym, run_body
from expunge.app.resolve import read_request
from expunge.app.runs import load_run
from expunge.data.requests import ErasureRequest
from expunge.errors import RequestError, RunDirectoryError
from expunge.evidence.ledger.lineage import erased_by
from expunge.evidence.ledger.pseudonyms import PseudonymKey
from expunge.evidence.ledger.register import FinishedRun, Request
from expunge.evidence.ledger.store import Writer

FIELD = "request id (--request-id)"
SHOWN = 16  # digits of a hash, for people


@dataclass(frozen=True)
class Recorded:
    """How a request was answered.

    Args:
        run: directory of a finished run. already: everybody was erased before; then `run` is the one that did it.
        attestation: of that earlier run, or None.
    """

    run: Path
    already: bool
    attestation: str | None = None


@dataclass
class Entry:
    """A run on its way into the ledger: handed to the erasure, which says when it begins.

    Args:
        books: the ledger. number: of the request. asked: whom the job erases. desk: who is told.
        begun: whether the ledger knows that the run began. earlier: the run by which everybody is erased already.
    """

    books: Books
    number: int
    asked: ErasureRequest
    desk: Desk
    begun: bool = False
    earlier: FinishedRun | None = None

    def begin(self, out: Path, frozen: Mapping[str, Any]) -> Path | None:
        """Enter that a run begins; or answer with the run by which everybody is erased already.

        Raises:
            RequestError: the request is not open, or asks for others.
        """
        with self.books.open().writing() as writer:
            keys = keys_of(self.books.key, writer)
            register = writer.register()
            request = register.open_request(self.number)
            check_same(request, keys, self.asked)
            stands_for = pseudonyms_of(keys, self.asked)
            done = erased_by(register, stands_for, frozen["frozen"]["inputs"]["weights"])
            others = {pseudonym: run for pseudonym, run in done.items() if self.number not in run.requests}
            runs = [run for run in register.runs.values() if run in others.values()]
            if {stands_for[pseudonym] for pseudonym in others} == set(stands_for.values()):
                return self._already(writer, request, runs)
            for run in runs:
                self.desk.say(f"some of those asked for are erased already, by run {run.run[:SHOWN]}")
            self._begin(writer, request, out, frozen, keys[-1])
        self.begun = True
        return None

    def end(self, place: Path) -> Recorded:
        """Enter that the run is finished.

        Raises:
            RequestError: it was finished before, and not for this request.
        """
        if self.earlier is not None:
            _check_there(place, self.earlier)
            return Recorded(place, already=True, attestation=self.earlier.attestation)
        body = run_body(place, [self.number])
        ledger = self.books.unrepaired() if self.begun else self.books.open()
        with ledger.writing() as writer:
            if not self.begun:
                self._check_finished(writer, body["run"])
            enter_run(writer, body)
        return Recorded(place, already=False)

    def _check_finished(self, writer: Writer, run: str) -> None:
        """A run that was finished before anybody asked the ledger must fit the request all the same."""
        register = writer.register(f"run:{run}", f"request:{self.number}")
        check_same(register.request(self.number), keys_of(self.books.key, writer), self.asked)
        known = register.runs.get(run)
        if known is not None and self.number not in known.requests:
            came = f"one for {', '.join(map(str, known.requests)) or 'none'}"
            raise RequestError(FIELD, expected=f"a run for request {self.number}", came=came)

    def _begin(self, writer: Writer, request: Request, out: Path, frozen: Mapping[str, Any], key: PseudonymKey) -> None:
        inputs = frozen["frozen"]["inputs"]
        body = {
            "request": self.number,
            "out": str(out.absolute()),
            "job": job_pseudonym(key, frozen),
            "data": inputs["pictures"],
            "before": [inputs["weights"]],
        }
        if not any(run.out == body["out"] and run.job == body["job"] for run in request.begun):  # else: resumed
            writer.append("run-began", body)

    def _already(self, writer: Writer, request: Request, runs: list[FinishedRun]) -> Path:
        self.earlier = runs[-1]  # where several did it, the model of the last one is the one to use
        if not set(request.runs) >= {run.run for run in runs}:
            writer.append("already-erased", {"request": self.number, "runs": sorted({run.run for run in runs})})
        attested = f", attestation {self.earlier.attestation[:SHOWN]}" if self.earlier.attestation else ""
        self.desk.say(f"already erased by run {self.earlier.run[:SHOWN]} in {self.earlier.out}{attested}")
        return Path(self.earlier.out)


def erase_recorded(job: EraseJob, *, desk: Desk, books: Books, number: int, resume: bool = False) -> Recorded:
    """Erase for request `number` of a ledger as `job` says.

    Raises:
        InputError: as `erase_files`; or the request is not open, or asks for others than the job.
        Interrupted: stopped from outside; can be resumed.
    """
    entry = Entry(books, number, read_request(job.request), desk)
    place = erase_files(job, desk=desk, resume=resume, begin=entry.begin)
    return entry.end(place)


def check_same(request: Request, keys: list[PseudonymKey], asked: ErasureRequest) -> None:
    """Refuse a job that erases others than the request asks for.

    Raises:
        RequestError: it does, or nobody can tell, since the request's key was dropped.
    """
    made = {name.partition(":")[0] for name in request.names}
    under = [key for key in keys if key.name in made]
    if not under:
        raise RequestError(FIELD, expected="a request whose key is there", came=f"{request.number}, whose is dropped")
    named = set(pseudonyms_of(under, asked))
    if named != request.names:
        more, less = len(named - request.names), len(request.names - named)
        came = f"a job with {more} that it does not name, and without {less} that it does"
        raise RequestError(
            FIELD, expected=f"a job for everybody in request {request.number} and nobody else", came=came
        )


def _check_there(place: Path, run: FinishedRun) -> None:
    try:
        load_run(place)
    except RunDirectoryError:
        came = f"people whom run {run.run[:SHOWN]} erased already, whose directory is not at {place} any more"
        raise RequestError(FIELD, expected="people who are not erased yet", came=came) from None
