"""Use case: an erasure for a request of the ledger, which knows of it before it starts and after it ends.

A job and the number of a request flow in, a finished run flows out: the one that was just made, or the earlier one by
which everybody asked for is erased already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.app.desk import Desk
from expunge.app.erase import erase_files
from expunge.app.job import EraseJob
from expunge.app.lastmodel import last_there
from expunge.app.ledger import Books
from expunge.app.ledgerkeys import keys_of, pseudonyms_of
from expunge.app.ledgerrules import FIELD, check_last, check_same, past_left_out, told_numbers
from expunge.app.recording import SHOWN, enter_run, job_pseudonym, run_body
from expunge.app.resolve import read_request
from expunge.data.requests import ErasureRequest
from expunge.errors import RequestError
from expunge.evidence.ledger.lineage import erased_by, everybody_erased
from expunge.evidence.ledger.pseudonyms import PseudonymKey
from expunge.evidence.ledger.register import FinishedRun, Request
from expunge.evidence.ledger.store import Writer


@dataclass(frozen=True)
class Recorded:
    """How a request was answered.

    Args:
        run: directory of a finished run. already: everybody was erased before; then `run` is the one that made the last
            model since. attestation: of the run that erased them, or None.
    """

    run: Path
    already: bool
    attestation: str | None = None


@dataclass
class Entry:
    """A run on its way into the ledger: handed to the erasure, which says when it begins.

    Args:
        books: the ledger. numbers: of the requests. asked: whom the job erases. desk: who is told.
        closes: whether the run closes the requests.
        gone: pseudonyms that need not be in the job, since pictures of people are meant who are erased as a whole.
        begun: whether the ledger knows that the run began. earlier: the run by which everybody is erased already.
        last: the run that made the last model since which is still there.
    """

    books: Books
    numbers: tuple[int, ...]
    asked: ErasureRequest
    desk: Desk
    closes: bool = False
    gone: frozenset[str] = frozenset()
    begun: bool = False
    earlier: FinishedRun | None = None
    last: FinishedRun | None = None

    def begin(self, out: Path, frozen: Mapping[str, Any]) -> Path | None:
        """Enter that a run begins; or answer with the run of the last model, where everybody is erased already.

        Raises:
            RequestError: a request is not open, or asks for others; or the model is not the last one of its line.
        """
        model = frozen["frozen"]["inputs"]["weights"]
        with self.books.open().writing() as writer:
            keys = keys_of(self.books.key, writer)
            register = writer.register()
            requests = [register.open_request(number) for number in self.numbers]
            stands_for = pseudonyms_of(keys, self.asked)
            names = {name for request in requests for name in request.names}
            done = erased_by(register, {*stands_for, *names}, model)
            others = {pseudonym: run for pseudonym, run in done.items() if not set(self.numbers) <= set(run.requests)}
            check_same(requests, keys, self.asked, others.keys() | self.gone)
            runs = [run for run in register.runs.values() if run in others.values()]
            if {stands_for[pseudonym] for pseudonym in others if pseudonym in stands_for} == set(stands_for.values()):
                self._already(writer, requests, runs)
            else:
                check_last(register, model, self.numbers)
                for run in runs:
                    self.desk.say(f"some of those asked for are erased already, by run {run.run[:SHOWN]}")
                for request in requests:
                    self._begin(writer, request, out, frozen, keys[-1])
        if self.earlier is None:
            self.begun = True
            return None
        self.last = last_there(register, self.earlier)
        return Path((self.last or self.earlier).out)

    def end(self, place: Path) -> Recorded:
        """Enter that the run is finished.

        Raises:
            RequestError: it was finished before, and not for this request; or everybody is erased already, and no
                model without them is where it was written.
        """
        if self.earlier is not None:
            self._tell(self.earlier)
            return Recorded(place, already=True, attestation=self.earlier.attestation)
        body = run_body(place, self.numbers)
        ledger = self.books.unrepaired() if self.begun else self.books.open()
        with ledger.writing() as writer:
            if not self.begun:
                self._check_finished(writer, body["run"])
            enter_run(writer, body)
            self._close(writer)
        return Recorded(place, already=False)

    def _check_finished(self, writer: Writer, run: str) -> None:
        """A run that was finished before anybody asked the ledger must fit the request all the same."""
        register = writer.register()
        requests = [register.request(number) for number in self.numbers]
        known = register.runs.get(run)
        if known is not None and not set(self.numbers) <= set(known.requests):
            came = f"one for {told_numbers(known.requests)}"
            raise RequestError(FIELD, expected=f"a run for request {told_numbers(self.numbers)}", came=came)
        check_same(requests, keys_of(self.books.key, writer), self.asked, everybody_erased(register) | self.gone)

    def _begin(self, writer: Writer, request: Request, out: Path, frozen: Mapping[str, Any], key: PseudonymKey) -> None:
        inputs = frozen["frozen"]["inputs"]
        body = {
            "request": request.number,
            "out": str(out.absolute()),
            "job": job_pseudonym(key, frozen),
            "data": inputs["pictures"],
            "before": [inputs["weights"]],
        }
        if not any(run.out == body["out"] and run.job == body["job"] for run in request.begun):  # else: resumed
            writer.append("run-began", body)

    def _already(self, writer: Writer, requests: Sequence[Request], runs: list[FinishedRun]) -> None:
        self.earlier = runs[-1]  # where several did it, all of them are gone from the model of the last one
        for request in requests:
            enter_already(writer, request, runs)
        self._close(writer)

    def _tell(self, earlier: FinishedRun) -> None:
        if self.last is None:
            came = f"people whom run {earlier.run[:SHOWN]} erased already, whose model is not in {earlier.out} any more"
            remedy = "the request may be closed all the same (expunge ledger close)"
            raise RequestError(FIELD, expected="people who are not erased yet", came=came, remedy=remedy)
        attested = f", attestation {earlier.attestation[:SHOWN]}" if earlier.attestation else ""
        self.desk.say(f"already erased by run {earlier.run[:SHOWN]}{attested}; the model to use is in {self.last.out}")

    def _close(self, writer: Writer) -> None:
        register = writer.register(*(f"request:{number}" for number in self.numbers))
        for number in self.numbers if self.closes else ():
            if register.request(number).state == "open":
                writer.append("request-closed", {"request": number, "reason": ""})


def erase_recorded(job: EraseJob, *, desk: Desk, books: Books, number: int, resume: bool = False) -> Recorded:
    """Erase for request `number` of a ledger as `job` says; nobody erased before is learned from again.

    Raises:
        InputError: as `erase_files`; or the request is not open, or asks for others than the job.
        Interrupted: stopped from outside; can be resumed.
    """
    entry = Entry(books, (number,), read_request(job.request), desk)
    place = erase_files(past_left_out(job, books, desk), desk=desk, resume=resume, begin=entry.begin)
    return entry.end(place)


def enter_already(writer: Writer, request: Request, runs: Sequence[FinishedRun]) -> None:
    """Enter that everybody in a request was erased by earlier runs, unless the ledger says so already."""
    if not set(request.runs) >= {run.run for run in runs}:
        writer.append("already-erased", {"request": request.number, "runs": sorted({run.run for run in runs})})
