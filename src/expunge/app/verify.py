"""Use case: check an attestation, and what it is about as far as that is at hand.

An attestation and a trusted public key flow in; what is proved flows out, or an error that says what is wrong. No model
is loaded and no network is needed, but for a replay, which runs the erasure again.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.app.desk import Desk, Silent
from expunge.app.erase import erase_files
from expunge.app.handoff import CARD
from expunge.app.inputs import model_place
from expunge.app.job import EraseJob, ReferenceJob
from expunge.app.jobfile import build_job, read_job_file
from expunge.app.keys import keyring_of
from expunge.app.reopen import check_code
from expunge.app.resolve import ANSWER, MOVED
from expunge.app.runs import load_run
from expunge.app.versions import EXPUNGE, versions
from expunge.errors import InputError
from expunge.evidence.attestation import Attestation, check_model, check_picture, read_attestation
from expunge.evidence.canonical import MOST_BYTES
from expunge.evidence.files import PICTURE_BYTES, hash_files, read_file
from expunge.evidence.keys import read_public
from expunge.evidence.openings import MOST_BYTES as OPENINGS_BYTES
from expunge.evidence.openings import read_openings

SHOWN = 80
NO_KEYRING = "no keyring was read: whether this key was revoked since is not known (--keyring)"


@dataclass(frozen=True)
class VerifySettings:
    """What to check.

    Args:
        attestation: the file. public_key: file of the key that is trusted.
        keyring: file that says which keys follow from that one, and which were revoked.
        model: directory of the model, or of the run that made it.
        picture, openings: a picture file, and a file with its opening.
        replay: directory of the run to run again. factory: of its network, where it names one.
    """

    attestation: Path
    public_key: Path
    keyring: Path | None = None
    model: Path | None = None
    picture: Path | None = None
    openings: Path | None = None
    replay: Path | None = None
    factory: str | None = None


def verify(settings: VerifySettings, *, desk: Desk) -> dict[str, Any]:
    """Check all that was asked for; whatever does not hold is an error.

    Returns:
        What is proved, as plain values: `signature`, and of `model`, `picture` and `replay` those that were asked for;
        and notes on what was not looked at.

    Raises:
        InputError: something cannot be read, or does not hold.
    """
    if (settings.picture is None) != (settings.openings is None):
        given, absent = ("--picture", "--openings") if settings.openings is None else ("--openings", "--picture")
        raise InputError(f"openings ({absent})", expected=f"a file, as {given} is given", came="none")
    found = _attestation(settings)
    if settings.model is not None:
        check_model(found, hash_files(Path(model_place(str(settings.model))), "model (--model)"))
    if settings.picture is not None and settings.openings is not None:
        _check_picture(found, settings.picture, settings.openings)
    if settings.replay is not None:
        _replay(found, settings.replay, settings.factory, desk)
    asked = {"model": settings.model, "picture": settings.picture, "replay": settings.replay}
    return {
        **_told(found),
        "proved": ["signature", *(name for name, place in asked.items() if place is not None)],
        "notes": [NO_KEYRING] if settings.keyring is None else [],
    }


def _attestation(settings: VerifySettings) -> Attestation:
    public = read_public(settings.public_key)
    ring = keyring_of(settings.keyring, "keyring (--keyring)") if settings.keyring is not None else None
    # base64 takes four letters for three bytes
    data = read_file(settings.attestation, "attestation", most=2 * MOST_BYTES)
    return read_attestation(data, public, ring)


def _check_picture(found: Attestation, picture: Path, openings: Path) -> None:
    opened = read_openings(read_file(openings, "openings (--openings)", most=OPENINGS_BYTES))
    shown = read_file(picture, "picture (--picture)", most=PICTURE_BYTES)
    check_picture(found, opened, hashlib.sha256(shown).digest())


def _told(found: Attestation) -> dict[str, Any]:
    said = found.predicate
    verdict = said["verdict"]
    return {
        "id": found.name,
        "key": found.signer,
        "made": said["made"],
        "request": said["request"],
        "method": said["method"],
        "forget_set": {"root": said["forgetSet"]["root"], "size": said["forgetSet"]["size"]},
        "model": dict(found.subjects),
        "verdict": str(verdict.get("overall") if isinstance(verdict, dict) else verdict)[:SHOWN],
        "not_measured": said["notMeasured"],
        "limits": said["limits"],
    }


def _replay(found: Attestation, run: Path, factory: str | None, desk: Desk) -> None:
    """Run the erasure again and compare the files of its model with those attested.

    References are not trained again: no method sees them. So the model card, which compares with them, may differ.

    Raises:
        InputError: the job is not the one attested, its inputs are gone or changed, or other files came out.
    """
    if found.predicate["code"]["expunge"] != EXPUNGE or found.predicate["environment"] != versions():
        desk.warn("other versions than those attested are installed here; the same job may give other weights")
    job = _job(run)
    check_code(job, factory)
    if job.recipe.function is not None:
        raise InputError("replay (--replay)", expected="a run without --train-function", came=job.recipe.function)
    desk.stage("erasing again")
    with tempfile.TemporaryDirectory(prefix="expunge-replay-") as place:
        again = job.model_copy(update={"out": Path(place) / "run", "reference": ReferenceJob()})
        # nobody is asked anything: what was answered then is in the job
        made = erase_files(again, desk=Silent())
        files = hash_files(made / "model", "replay (--replay)")
    _compare(found.subjects, files)


def _job(run: Path) -> EraseJob:
    """The job of a run, with what was answered about near copies while it ran."""
    stored = load_run(run).job
    job = build_job(EraseJob, read_job_file(EraseJob, run / "job.yaml"))
    answered = (stored.get("frozen") or {}).get("inputs", {}).get(ANSWER)
    if answered != MOVED:
        return job
    return job.model_copy(update={"request": job.request.model_copy(update={"near_copies": "move"})})


def _compare(attested: Mapping[str, str], files: Mapping[str, str]) -> None:
    differing = sorted({name for name, _ in set(attested.items()) ^ set(files.items())} - {CARD})
    if differing:
        came = f"other {', '.join(differing[:3])}"
        remedy = "use the machine, versions and inputs of the run"
        raise InputError("replay (--replay)", expected="the attested files", came=came, remedy=remedy)
