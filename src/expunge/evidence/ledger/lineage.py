"""Lineage: which model came from which, by which run; who is erased, and how far a model is from its last training.

Registers flow in, answers flow out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import takewhile

from expunge.evidence.drift import Drift, accumulated
from expunge.evidence.ledger.register import FinishedRun, Register

RETRAINED = "retrain"  # the method whose models were trained without the people of their request


def ancestors(runs: Iterable[FinishedRun], model: str) -> set[str]:
    """The models that a model came from, and itself."""
    parents: dict[str, set[str]] = {}
    for run in runs:
        if run.after is not None:
            parents.setdefault(run.after, set()).update(run.before)
    found, ahead = {model}, [model]
    while ahead:
        ahead = [p for child in ahead for p in parents.get(child, ()) if p not in found]
        found.update(ahead)
    return found


def erased_by(register: Register, names: Collection[str], model: str) -> dict[str, FinishedRun]:
    """For each of `names` (pseudonyms) that is erased already, the run that did it; the first one, where several did.

    Erased from a model means also: from the models that came from it, and that it was in the model that it came from,
    for which the unlearned one stands now. A run on a model that has nothing to do with this one does not count.
    """
    runs = _erasures(register)
    line = ancestors(runs, model)
    found: dict[str, FinishedRun] = {}
    for run in runs:
        if run.after in line or model in ancestors(runs, str(run.after)):
            asked = {name for number in run.requests for name in register.request(number).names}
            found = dict.fromkeys(asked.intersection(names), run) | found
    return found


def everybody_erased(register: Register) -> frozenset[str]:
    """All names (pseudonyms) that a run erased, from whichever model."""
    return frozenset(name for request in register.requests.values() if request.runs for name in request.names)


def successors(register: Register, model: str) -> list[FinishedRun]:
    """The erase runs that began at a model, or at one that came of it, in the order in which they were entered."""
    runs, reached = _erasures(register), {model}
    found: list[FinishedRun] = []
    while ahead := [run for run in runs if run not in found and reached.intersection(run.before)]:
        found += ahead
        reached.update(str(run.after) for run in ahead)
    return [run for run in runs if run in found and run.after != model]


def newest(register: Register, model: str) -> FinishedRun | None:
    """The run that made the last unlearned model of a line; None where the model itself is the last one.

    Where a line has several ends, such as after a second attempt, the one that was entered last.
    """
    found = successors(register, model)
    started = {before for run in found for before in run.before if before != run.after}
    ends = [run for run in found if run.after not in started]
    return ends[-1] if ends else None


def line_to(register: Register, model: str) -> list[FinishedRun]:
    """The erasures by which a model came from its last training, oldest first."""
    made = {str(run.after): run for run in _erasures(register) if run.after not in run.before}
    found: list[FinishedRun] = []
    while (run := made.pop(model, None)) is not None:  # popped: no model is passed twice
        found.append(run)
        model = run.before[0]
    return list(reversed(list(takewhile(lambda run: run.method != RETRAINED, found))))


def drift_of(register: Register, model: str) -> Drift | None:
    """How far a model is from its last training, by the limits of the run that made it; None where nobody measured."""
    measured = [run.measured for run in line_to(register, model)]
    known = [one for one in measured if one is not None]
    if not known or len(known) < len(measured):
        return None
    return accumulated([one.step for one in known], known[-1].limits)


def last_models(register: Register) -> list[str]:
    """The end of every line: models that a run made by erasing, and from which nothing was erased since."""
    runs = _erasures(register)
    return list(dict.fromkeys(str(run.after) for run in runs if newest(register, str(run.after)) is None))


def _erasures(register: Register) -> list[FinishedRun]:
    return [run for run in register.runs.values() if run.kind == "erase" and run.after is not None]
