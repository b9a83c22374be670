"""Finished runs into the ledger: what a run directory is, as an event; and what a crash kept from being entered.

Run directories flow in, entries flow out. A run is known by the hash of what it wrote, so that it is entered once,
however often and from wherever it is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from expunge.app.attest import ATTESTATION
from expunge.app.freeze import run_key
from expunge.app.runs import Run, load_run
from expunge.errors import ExpungeError, RunDirectoryError
from expunge.evidence.canonical import canonical, decimal
from expunge.evidence.files import hash_file, hash_files
from expunge.evidence.ledger.pseudonyms import PseudonymKey
from expunge.evidence.ledger.register import Begun
from expunge.evidence.ledger.store import Ledger, Writer


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


def run_body(place: Path, requests: Collection[int]) -> dict[str, Any]:
    """What the ledger says about a finished run.

    Raises:
        RunDirectoryError: there is none, or it is not as it was written.
        ModelError: the model that was trained cannot be read.
    """
    run = load_run(place)
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


def enter_run(writer: Writer, body: Mapping[str, Any]) -> bool:
    """Enter a finished run, what it cost and its attestation, each if it is not there yet; whether anything was.

    Raises:
        InputError: the ledger refuses it.
    """
    name, place = f"run:{body['run']}", Path(body["out"])
    known = writer.register(name).runs.get(body["run"])
    if known is None:
        writer.append("run-finished", body)
        if (measured := drift_body(body["run"], load_run(place))) is not None:
            writer.append("drift-measured", measured)
    attestation = place / ATTESTATION
    if not attestation.exists() or (known is not None and known.attestation is not None):
        return known is None
    writer.append("attested", {"run": body["run"], "attestation": hash_file(attestation, "attestation")})
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


def repair(ledger: Ledger, keys: Sequence[PseudonymKey]) -> list[Path]:
    """Enter the runs that finished while nobody was left to enter them; their directories.

    A run that is still at work, was moved or thrown away, or whose key is not at hand, stays begun.
    """
    with ledger.reading() as view:
        found = [body for begun in _together(view.begun()) if (body := _finished(begun, keys)) is not None]
    if not found:
        return []
    with ledger.writing() as writer:
        return [Path(body["out"]) for body in found if enter_run(writer, body)]


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
