"""Lineage: which model came from which, by which run; and who is erased from a model and from all that follow it.

Registers flow in, answers flow out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from expunge.evidence.ledger.register import FinishedRun, Register


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
    runs = [run for run in register.runs.values() if run.kind == "erase" and run.after is not None]
    line = ancestors(runs, model)
    found: dict[str, FinishedRun] = {}
    for run in runs:
        if run.after in line or model in ancestors(runs, str(run.after)):
            asked = {name for number in run.requests for name in register.request(number).names}
            found = dict.fromkeys(asked.intersection(names), run) | found
    return found
