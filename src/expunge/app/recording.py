"""Finished runs into the ledger: what a run directory is, as an event; and what a crash kept from being entered.

Run directories flow in, entries flow out. A run is known by the hash of what it wrote, so that it is entered once,
however often and from wherever it is found; and so is its attestation, whenever it was made.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from expunge.app.attest import ATTESTATION
from expunge.app.freeze import run_key
from expunge.app.runs import Run, load_run
from expunge.errors import ExpungeError, InputError, RunDirectoryError
from expunge.evidence.attestation import check_model, read_unverified
from expunge.evidence.canonical import MOST_BYTES, canonical, decimal
from expunge.evidence.files import hash_file, hash_files, read_file
from expunge.evidence.ledger.pseudonyms import PseudonymKey
from expunge.evidence.ledger.register import Begun
from expunge.evidence.ledger.store import Ledger, View, Writer
from expunge.models.files import holds_weights

SHOWN = 16  # digits of a hash, for people


def run_sha256(place: Path) -> str:
    """Hash of a finished run: its numbers and its model.

    Its job is left out, since a hash of names can be guessed; and so is what is added later, such as an attestation.

    Raises:
        InputError: a file cannot be read.
    """
    files = [["metrics.json", hash_file(place / "metrics.json", "run")]]
    model = hash_files(place / "model", "run") if (place / "model").exists() else {}
    files += [[f"model/{name}", digest] for name, digest in model.items()]
    return hashlib.sha256(canonical(files)).hexdigest()


def lies_at(run: str, place: Path) -> bool:
    """Whether the finished run of that hash lies at `place`, its model as it was written."""
    try:
        return run_sha256(place) == run
    except InputError:
        return False


def run_body(place: Path, requests: Collection[int]) -> dict[str, Any]:
    """What the ledger says about a finished run.

    Raises:
        RunDirectoryError: there is none, or it is not as it was written, such as without its weights after a purge.
        ModelError: the model that was trained cannot be read.
    """
    run = load_run(place)
    if run.kind == "erase" and not holds_weights(place / "model"):
        # it would count as another run
        raise RunDirectoryError("run", expected="a run with the model that it made", came=f"{place}, without weights")
    try:
        inputs = run.job["frozen"]["inputs"]
        return {
            "run": run_sha256(place),
            "kind": run.kind,
            "requests": sorted(set(requests)),
            "out": str(place.absolute()),
            "data": inputs["pictures"],
            "before": sorted(set(_before(run.kind, inputs))),
            "after": _after(run),
            "method": run.job["method"]["name"] if run.kind == "erase" else "",
        }
    except (KeyError, TypeError, AttributeError):
        raise RunDirectoryError("run", expected="job.yaml and metrics.json as written", came=str(place)) from None


def attestation_of(place: Path) -> str | None:
    """Id of the attestation of the run at `place`; None where it has none.

    Who signed it is not asked: that needs a key to trust (`expunge verify`).

    Raises:
        InputError: what lies there is no attestation, or one of another model.
    """
    file = place / ATTESTATION
    if not os.path.exists(file):  # also answers where a folder on the way is closed to us
        return None
    found = read_unverified(read_file(file, "attestation", most=2 * MOST_BYTES))
    check_model(found, hash_files(place / "model", "run"))
    return found.name


def enter_run(writer: Writer, body: Mapping[str, Any]) -> bool:
    """Enter a finished run and what it cost, if it is not there yet; whether it was entered.

    Raises:
        InputError: the ledger refuses it.
    """
    if body["run"] in writer.register(f"run:{body['run']}").runs:
        return False
    writer.append("run-finished", body)
    if (measured := drift_body(body["run"], load_run(Path(body["out"])))) is not None:
        writer.append("drift-measured", measured)
    return True


def enter_attestation(writer: Writer, run: str, attestation: str | None) -> bool:
    """Enter the attestation of a run that is in the ledger, if it has one that is not there yet; whether it did."""
    if attestation is None or writer.register(f"run:{run}").runs[run].attestation is not None:
        return False
    writer.append("attested", {"run": run, "attestation": attestation})
    return True


def drift_body(name: str, run: Run) -> dict[str, Any] | None:
    """What the ledger says about the drift that an erase run brought, measured on tuning pictures.

    None for another kind of run, and for one without limits of drift in its job or without a measured accuracy.
    """
    limits = run.job.get("drift")
    if run.kind != "erase" or not limits:
        return None
    before, after = (_tuning_accuracy(run.metrics["audit"][f"rows_{when}"]) for when in ("before", "after"))
    if before is None or after is None:
        return None
    return {
        "run": name,
        "tuning_before": decimal(before),
        "tuning_after": decimal(after),
        "forget": run.metrics["pictures"]["forget"],
        "retain": run.metrics["pictures"]["retain"],
        **{f"limit_{limit}": decimal(value) for limit, value in limits.items()},
    }


def job_pseudonym(key: PseudonymKey, job: Mapping[str, Any]) -> str:
    """What the ledger calls a job, which names people."""
    return key.pseudonym("job", run_key(job))


def repair(ledger: Ledger, keys: Sequence[PseudonymKey]) -> None:
    """Enter the runs that finished while nobody was left to enter them, and attestations that were made since.

    A run that is still at work, was moved or thrown away, or whose key is not at hand, stays begun. An attestation is
    entered if it lies where its run was written, and both are what they were.
    """
    with ledger.reading() as view:
        bodies = [body for begun in _together(view.begun()) if (body := _finished(begun, keys)) is not None]
        waiting = {body["run"]: Path(body["out"]) for body in bodies} | _unattested(view)
    attested = {run: found for run, place in waiting.items() if (found := _own_attestation(run, place)) is not None}
    if not (bodies or attested):
        return
    with ledger.writing() as writer:
        for body in bodies:
            enter_run(writer, body)
        for run, attestation in attested.items():
            enter_attestation(writer, run, attestation)


def _together(begun: Sequence[Begun]) -> list[list[Begun]]:
    """A run that was begun for several requests is one run."""
    runs: dict[tuple[str, str], list[Begun]] = {}
    for one in begun:
        runs.setdefault((one.out, one.job), []).append(one)
    return list(runs.values())


def _finished(begun: Sequence[Begun], keys: Sequence[PseudonymKey]) -> dict[str, Any] | None:
    """What to enter about a run that was begun, if that very run is finished where it was to be written."""
    place = Path(begun[0].out)
    try:
        job = load_run(place).job
        same = any(begun[0].job == job_pseudonym(key, job) for key in keys)
        return run_body(place, [one.request for one in begun]) if same else None
    except ExpungeError:  # not there, not finished, or somebody else's files
        return None


def _unattested(view: View) -> dict[str, Path]:
    """Erase runs of which the ledger has no attestation, and where they were written."""
    attested = {event.body["run"] for event in view.events(kind="attested")}
    finished = (event.body for event in view.events(kind="run-finished"))
    return {
        body["run"]: Path(body["out"]) for body in finished if body["kind"] == "erase" and body["run"] not in attested
    }


def _own_attestation(run: str, place: Path) -> str | None:
    """The attestation that lies at `place`, if the run there still is that run, and the attestation is its own."""
    try:
        found = attestation_of(place)
    except InputError:  # no attestation, or somebody else's
        return None
    return found if found is not None and lies_at(run, place) else None


def _tuning_accuracy(rows: Sequence[Mapping[str, Any]]) -> float | None:
    return next((row["value"] for row in rows if (row["name"], row["split"]) == ("accuracy", "tuning")), None)


def _before(kind: str, inputs: Mapping[str, str]) -> list[str]:
    if kind == "audit":
        return [value for name, value in inputs.items() if name.startswith("model-")]
    # what a training starts from is drawn at random, and no model that anybody used
    return [inputs["weights"]] if kind == "erase" else []


def _after(run: Run) -> str | None:
    if run.kind == "train":
        return run.model.weights_sha256
    return str(run.metrics["weights"]["after"]) if run.kind == "erase" else None
