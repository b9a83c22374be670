"""The register: what the events of a ledger say, taken in one after another, and which event may come next.

Events flow in; requests, runs and keys flow out. Nothing else knows the state of anything: it is derived from the
events each time, so there is no second truth to go wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from expunge.errors import RequestError
from expunge.evidence.drift import DriftLimits, Step
from expunge.evidence.ledger.deadlines import FURTHER, due_date, extended_due
from expunge.evidence.ledger.events import Event

State = Literal["open", "withdrawn", "closed"]
# what a request is after an event that ends it
STATES: Mapping[str, State] = {"request-withdrawn": "withdrawn", "request-closed": "closed"}


@dataclass(frozen=True)
class Begun:
    """A run that was begun for a request, and is not in the ledger as finished.

    Args:
        request: its number. out: directory that the run writes. job: pseudonym of everything that determines the run.
        data, before: fingerprints of pictures and of the model.
    """

    request: int
    out: str
    job: str
    data: str
    before: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """What an erase run cost on tuning pictures, and from where on whoever ran it wants to retrain."""

    step: Step
    limits: DriftLimits


@dataclass(frozen=True)
class FinishedRun:
    """A run that is finished.

    Args:
        run: hash of what it wrote. kind: train, erase or audit. requests: that it answers.
        out: directory. data: fingerprint of the pictures.
        before: fingerprints of the models that it read. after: of the one that it made, if any.
        method: if it erased. attestation: hash of its attestation, if it has one.
        measured: what it cost, if that was measured.
    """

    run: str
    kind: str
    requests: tuple[int, ...]
    out: str
    data: str
    before: tuple[str, ...]
    after: str | None
    method: str
    attestation: str | None = None
    measured: Measured | None = None


@dataclass(frozen=True)
class Request:
    """Somebody's request and what became of it.

    Args:
        number: 1, 2, 3 ... received, due: days. subjects, pictures: pseudonyms of who or what is asked for.
        note: the user's own words. state: open, withdrawn or closed. reason: of the last change of state or deadline.
        extended: whether the deadline was. begun: unfinished runs. runs: hashes of erase runs that answer it.
        purges: how often data was purged for it.
    """

    number: int
    received: date
    due: date
    subjects: tuple[str, ...]
    pictures: tuple[str, ...]
    note: str
    state: State = "open"
    reason: str = ""
    extended: bool = False
    begun: tuple[Begun, ...] = ()
    runs: tuple[str, ...] = ()
    purges: int = 0

    @property
    def names(self) -> frozenset[str]:
        """All pseudonyms; those of subjects and of pictures never coincide."""
        return frozenset((*self.subjects, *self.pictures))


@dataclass
class Register:
    """What is known after some events.

    Args:
        requests: by number. runs: by hash, in the order in which they were entered. dropped: ids of dropped keys.
        received: how many requests the ledger holds, also where this register knows only some of them.
    """

    requests: dict[int, Request] = field(default_factory=dict)
    runs: dict[str, FinishedRun] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    received: int = 0

    @classmethod
    def of(cls, events: Iterable[Event], *, received: int = 0) -> Register:
        """The register after `events`, which tell all about the requests and runs that they are about."""
        register = cls()
        for event in events:
            register._settle(event)
        register.received = max(received, len(register.requests))
        return register

    def take(self, event: Event) -> None:
        """Take in one more event.

        Raises:
            RequestError: it cannot follow what happened before.
        """
        check = getattr(self, CHECKS[event.kind])
        check(event)
        self._settle(event)
        self.received = max(self.received, len(self.requests))

    def request(self, number: int) -> Request:
        """A request by its number.

        Raises:
            RequestError: there is none.
        """
        if number not in self.requests:
            raise RequestError("request", expected=f"a number from 1 to {self.received}", came=str(number))
        return self.requests[number]

    def open_request(self, number: int) -> Request:
        """A request that is still open.

        Raises:
            RequestError: there is none, or it was withdrawn or closed.
        """
        request = self.request(number)
        if request.state != "open":
            came = f"request {number}, which is {request.state}"
            raise RequestError("request", expected="an open request", came=came)
        return request

    def _check_received(self, event: Event) -> None:
        number, due = event.body["request"], due_date(date.fromisoformat(event.body["received"]))
        if number != self.received + 1:
            raise RequestError("request", expected=f"the number {self.received + 1}", came=str(number))
        if event.body["due"] != due.isoformat():
            raise RequestError("due", expected=due.isoformat(), came=event.body["due"])
        if not (event.body["subjects"] or event.body["pictures"]):
            raise RequestError("request", expected="at least one subject or picture", came="none")

    def _check_extended(self, event: Event) -> None:
        request = self.open_request(event.body["request"])
        _need_reason(event)
        if request.extended:
            raise RequestError("request", expected="one extension at most", came=f"a second of {request.number}")
        if event.time[:10] > request.due.isoformat():
            # the person must be told of it, with the reason, within the first month
            expected, came = f"an extension by {request.due}", f"one on {event.time[:10]}"
            raise RequestError("request", expected=expected, came=came, remedy="an extension after that day is void")
        allowed = [extended_due(request.received, months).isoformat() for months in range(1, FURTHER + 1)]
        if event.body["due"] not in allowed:
            raise RequestError("due", expected=" or ".join(allowed), came=event.body["due"])

    def _check_open(self, event: Event) -> None:
        self.open_request(event.body["request"])

    def _check_closed(self, event: Event) -> None:
        request = self.open_request(event.body["request"])
        if not request.runs and not event.body["reason"].strip():
            _need_reason(event, "a reason, as no run of the ledger erased anything for it")

    def _check_finished(self, event: Event) -> None:
        if event.body["run"] in self.runs:
            raise RequestError("run", expected="a run that is not in the ledger", came=event.body["run"][:16])
        self._check_all(event)

    def _check_all(self, event: Event) -> None:
        # whatever became of them: what was done was done
        for number in event.body["requests"]:
            self.request(number)

    def _check_already(self, event: Event) -> None:
        self.open_request(event.body["request"])
        for run in event.body["runs"]:
            self._known_run(run)

    def _check_attested(self, event: Event) -> None:
        run = self._known_run(event.body["run"])
        if run.attestation is not None:
            raise RequestError("attestation", expected="one of a run", came=f"a second of {run.run[:16]}")

    def _check_drift(self, event: Event) -> None:
        run = self._known_run(event.body["run"])
        if run.kind != "erase" or run.measured is not None:
            raise RequestError("drift", expected="one measurement of an erase run", came=f"another of {run.run[:16]}")

    def _check_dropped(self, event: Event) -> None:
        if event.body["key"] in self.dropped:
            raise RequestError("key", expected="a key that is not dropped", came=event.body["key"])

    def _known_run(self, run: str) -> FinishedRun:
        if run not in self.runs:
            raise RequestError("run", expected="a run of the ledger", came=run[:16])
        return self.runs[run]

    def _settle(self, event: Event) -> None:
        body = event.body
        match event.kind:
            case "request-received":
                self.requests[body["request"]] = _received(body)
            case "request-extended":
                due = date.fromisoformat(body["due"])
                self._change([body["request"]], lambda r: replace(r, due=due, extended=True, reason=body["reason"]))
            case "request-withdrawn" | "request-closed":
                state = STATES[event.kind]
                self._change([body["request"]], lambda r: replace(r, state=state, reason=body["reason"]))
            case "run-began":
                begun = Begun(body["request"], body["out"], body["job"], body["data"], tuple(body["before"]))
                self._change([begun.request], lambda r: replace(r, begun=(*r.begun, begun)))
            case "run-finished":
                self._finish(body)
            case "already-erased":
                self._change([body["request"]], lambda r: replace(r, runs=(*r.runs, *body["runs"])))
            case "attested":
                if body["run"] in self.runs:
                    self.runs[body["run"]] = replace(self.runs[body["run"]], attestation=body["attestation"])
            case "drift-measured":
                if body["run"] in self.runs:
                    self.runs[body["run"]] = replace(self.runs[body["run"]], measured=_measured(body))
            case "purged":
                self._change(body["requests"], lambda r: replace(r, purges=r.purges + 1))
            case "key-dropped":
                self.dropped.add(body["key"])

    def _finish(self, body: Mapping[str, Any]) -> None:
        values: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in body.items()}
        run = self.runs[body["run"]] = FinishedRun(**values)

        def change(request: Request) -> Request:
            begun = tuple(found for found in request.begun if found.out != run.out)
            runs = (*request.runs, run.run) if run.kind == "erase" else request.runs
            return replace(request, begun=begun, runs=runs)

        self._change(run.requests, change)

    def _change(self, numbers: Iterable[int], change: Callable[[Request], Request]) -> None:
        # a register of some requests may hear of others, of which it does not know the beginning
        for number in numbers:
            if number in self.requests:
                self.requests[number] = change(self.requests[number])


def _received(body: Mapping[str, Any]) -> Request:
    return Request(
        number=body["request"],
        received=date.fromisoformat(body["received"]),
        due=date.fromisoformat(body["due"]),
        subjects=tuple(body["subjects"]),
        pictures=tuple(body["pictures"]),
        note=body["note"],
    )


def _measured(body: Mapping[str, Any]) -> Measured:
    step = Step(float(body["tuning_before"]), float(body["tuning_after"]), body["forget"], body["retain"])
    return Measured(step, DriftLimits(float(body["limit_accuracy_lost"]), float(body["limit_share_erased"])))


def _need_reason(event: Event, expected: str = "a reason") -> None:
    if not event.body["reason"].strip():
        raise RequestError("reason (--reason)", expected=expected, came="none")


# which check an event must pass
CHECKS: Mapping[str, str] = {
    "request-received": "_check_received",
    "request-extended": "_check_extended",
    "request-withdrawn": "_check_open",
    "request-closed": "_check_closed",
    "run-began": "_check_open",
    "run-finished": "_check_finished",
    "already-erased": "_check_already",
    "attested": "_check_attested",
    "drift-measured": "_check_drift",
    "purged": "_check_all",
    "key-dropped": "_check_dropped",
}
