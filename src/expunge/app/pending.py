"""Use case: all open requests of a ledger, as one erasure or one after the other, the most urgent first.

A job without names and a ledger flow in; who is meant is found among the training pictures, by their pseudonyms. The
same command again continues what was interrupted: what is done is in the ledger, and is not done twice.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from expunge.app.desk import Desk
from expunge.app.erase import erase_files
from expunge.app.erased import meant_by, named_in
from expunge.app.inputs import load_for_data
from expunge.app.job import EraseJob
from expunge.app.lastmodel import check_there, last_there, model_of
from expunge.app.ledger import Books
from expunge.app.ledgered import Entry, Recorded, enter_already
from expunge.app.ledgerkeys import keys_of, pseudonyms_of
from expunge.app.ledgerrules import past_left_out, told_numbers
from expunge.app.ledgerviews import drift_card
from expunge.app.recording import SHOWN
from expunge.app.rundir import check_out, stored_job
from expunge.data.requests import ErasureRequest
from expunge.errors import RequestError, RunDirectoryError
from expunge.evidence.ledger.lineage import erased_by, newest
from expunge.evidence.ledger.pseudonyms import PseudonymKey
from expunge.evidence.ledger.register import FinishedRun, Register, Request
from expunge.types import PictureSet

LATE = "came after the run in --out began; name another directory for it"


@dataclass(frozen=True)
class Answered:
    """How open requests were answered.

    Args:
        requests: their numbers. run: directory of the run that made the model to use, None where none is there.
        already: earlier runs had erased everybody. attestation: of the last of these, or None.
    """

    requests: tuple[int, ...]
    run: Path | None
    already: bool
    attestation: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of all open requests.

    Args:
        answered: in the order in which it was done. left: numbers of requests that stay open, with the reason.
        model: hash of the last model of the line. drift: how far it is from its last training, None where unknown.
    """

    answered: tuple[Answered, ...]
    left: dict[int, str]
    model: str
    drift: dict[str, Any] | None


def erase_pending(job: EraseJob, *, desk: Desk, books: Books, one_by_one: bool = False) -> Outcome:
    """Erase for all open requests of a ledger, from the last model of the line of the one that is named.

    Args:
        job: from what and how; whom is said by the ledger. `out` is the run directory, or with `one_by_one` the folder
            in which every request gets its own. desk: who listens. books: the ledger.
        one_by_one: each request from the model that the one before it left, instead of all at once.

    Raises:
        InputError: the job names somebody itself, its model is gone, or as `erase_files`.
        Interrupted: stopped from outside; the same command continues.
    """
    if not job.request.empty:
        raise RequestError("request", expected="nobody: with --pending the ledger says who", came="names")
    if job.out is None:
        raise RunDirectoryError("out (--out)", expected="a directory to write", came="nothing")
    with books.open().reading() as view:
        check_there(job.model, view.register())
    data, artefact = load_for_data(job.model, job.data, desk=desk)
    queue = _Queue(books, job, artefact.weights_sha256, data.role("train"), desk)
    out = job.out.absolute()
    return queue.one_by_one(out) if one_by_one else queue.batch(out)


@dataclass(frozen=True)
class _Queue:
    """Open requests and the line of models that they are erased from.

    Args:
        books: the ledger. job: as given. given: hash of the model that it names.
        pictures: the training pictures. desk: who listens.
    """

    books: Books
    job: EraseJob
    given: str
    pictures: PictureSet
    desk: Desk

    @functools.cached_property
    def people(self) -> ErasureRequest:
        """Everybody in the training pictures."""
        return named_in(self.pictures)

    @functools.cached_property
    def owners(self) -> dict[str, str]:
        """Who is on each training picture, where that is known."""
        owned = self.pictures.subjects
        return {} if owned is None else dict(zip(self.pictures.ids.tolist(), owned.tolist(), strict=True))

    def batch(self, out: Path) -> Outcome:
        begun = self._begun(out)
        answered, ready, left = self._sorted()
        if begun:
            left |= dict.fromkeys((n for n in ready if n not in begun), LATE)
            ready = [number for number in ready if number in begun]
            if set(ready) != begun:
                gone = told_numbers(sorted(begun - set(ready)))
                remedy = "throw that run away, and give the same command again"
                expected = f"the requests of the unfinished run in {out}"
                raise RequestError("request", expected=expected, came=f"request {gone} no longer open", remedy=remedy)
        elif answered and stored_job(out) is not None:  # by the run there, which ended before it was entered
            left |= dict.fromkeys(ready, LATE)
            ready = []
        elif ready:
            check_out(out, resume=False)
        return self._outcome([*answered, *([self._erase(tuple(ready), out)] if ready else [])], left)

    def one_by_one(self, folder: Path) -> Outcome:
        answered, ready, left = self._sorted()
        for number in ready:
            again, still, more = self._sorted(only=number)  # an erasure before this one may have answered it
            answered += again
            left |= more
            if still:
                answered.append(self._erase((number,), folder / f"request-{number}"))
        return self._outcome(answered, left)

    def _begun(self, out: Path) -> set[int]:
        """Requests of the run that was interrupted here."""
        if stored_job(out) is None:
            return set()
        with self.books.open().reading() as view:
            return {begun.request for begun in view.begun() if begun.out == str(out)}

    def _sorted(self, only: int | None = None) -> tuple[list[Answered], list[int], dict[int, str]]:
        """Requests that earlier runs answer (they are closed here), those to erase for, and those that nobody can."""
        done, ready, left = list[tuple[int, FinishedRun]](), list[int](), dict[int, str]()
        with self.books.open().writing() as writer:
            keys, register = keys_of(self.books.key, writer), writer.register()
            waiting = [r for r in register.requests.values() if r.state == "open" and only in (None, r.number)]
            for request in sorted(waiting, key=lambda r: (r.due, r.number)):
                runs, missing = self._known(register, request, keys)
                if missing:
                    left[request.number] = f"{missing} of its names are not among the training pictures"
                elif runs is None:
                    ready.append(request.number)
                else:
                    enter_already(writer, request, runs)
                    writer.append("request-closed", {"request": request.number, "reason": ""})
                    done.append((request.number, runs[-1]))
        for number, why in left.items():
            self.desk.warn(f"request {number} stays open: {why}")
        # only now, since to look at models takes time, in which nobody else could write
        return [self._already(register, number, run) for number, run in done], ready, left

    def _already(self, register: Register, number: int, run: FinishedRun) -> Answered:
        last = last_there(register, run)
        where = f"the model to use is in {last.out}" if last else f"its model is not in {run.out} any more"
        self.desk.say(f"request {number}: already erased by run {run.run[:SHOWN]}; {where}")
        return Answered((number,), Path(last.out) if last else None, True, run.attestation)

    def _known(
        self, register: Register, request: Request, keys: list[PseudonymKey]
    ) -> tuple[list[FinishedRun] | None, int]:
        """The runs by which everybody in a request is erased, None where not all are; and how many nobody knows."""
        meant, strange = meant_by(request.names, self.people, keys)
        stands_for = pseudonyms_of(keys, meant)
        done = erased_by(register, {*request.names, *stands_for}, self.given)
        whole = self._with_their_people(register, meant, keys)
        runs = [run for run in register.runs.values() if run in (*done.values(), *whole.values())]
        erased = {stands_for[name] for name in done if name in stands_for} | {("picture", name) for name in whole}
        missing = strange - done.keys()
        return (runs if erased == set(stands_for.values()) and not missing else None), len(missing)

    def _with_their_people(
        self, register: Register, asked: ErasureRequest, keys: list[PseudonymKey]
    ) -> dict[str, FinishedRun]:
        """Single pictures that are asked for and whose people are erased as a whole, with the runs that did it."""
        owned = {name: self.owners[name] for name in asked.pictures if name in self.owners}
        stands_for = pseudonyms_of(keys, ErasureRequest(subjects=tuple(dict.fromkeys(owned.values()))))
        done = {stands_for[name][1]: run for name, run in erased_by(register, stands_for, self.given).items()}
        return {name: done[owner] for name, owner in owned.items() if owner in done}

    def _erase(self, numbers: tuple[int, ...], out: Path) -> Answered:
        with self.books.open().reading() as view:
            keys, register = keys_of(self.books.key, view), view.register()
        last = newest(register, self.given)
        names = {name for number in numbers for name in register.request(number).names}
        asked, _ = meant_by(names, self.people, keys)
        whole = self._with_their_people(register, asked, keys)
        gone = pseudonyms_of(keys, ErasureRequest(pictures=tuple(whole)))
        asked = replace(asked, pictures=tuple(name for name in asked.pictures if name not in whole))
        request = self.job.request.model_copy(update={"subjects": asked.subjects, "pictures": asked.pictures})
        model = self.job.model if last is None else model_of(last, self.job.model)
        if last is not None:
            self.desk.say(f"starting from the last model of its line, made by run {last.run[:SHOWN]} in {last.out}")
        job = self.job.model_copy(update={"out": out, "request": request, "model": model})
        entry = Entry(self.books, numbers, asked, self.desk, closes=True, gone=frozenset(gone))
        job = past_left_out(job, self.books, self.desk)
        recorded: Recorded = entry.end(erase_files(job, desk=self.desk, resume=True, begin=entry.begin))
        return Answered(numbers, recorded.run, recorded.already, recorded.attestation)

    def _outcome(self, answered: list[Answered], left: dict[int, str]) -> Outcome:
        with self.books.open().reading() as view:
            register = view.register()
        last = newest(register, self.given)
        model = self.given if last is None else str(last.after)
        return Outcome(tuple(answered), left, model, drift_card(register, model))
