"""Use case: a signed attestation of a finished erase run, and the openings of its forget set beside it.

A run directory and a key flow in, two files flow out. Everything that the run's job names is loaded again and must be
what it was; the pictures to be committed to are found anew. Nothing in the attestation names a person, a picture or a
path.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.app.desk import Desk
from expunge.app.inputs import data_spec
from expunge.app.keys import Clock, check_current, now, passphrase_of
from expunge.app.reopen import EraseRun, erase_run, reopen
from expunge.app.runs import load_run
from expunge.app.unmeasured import not_measured
from expunge.data.digests import encoded_digests
from expunge.errors import InputError, RunDirectoryError
from expunge.evidence.attestation import LIMITS, NOT_ASSESSED, attest
from expunge.evidence.canonical import decimal
from expunge.evidence.files import SECRET, hash_files, read_file, write_new
from expunge.evidence.keyring import utc
from expunge.evidence.keys import key_id, read_private
from expunge.evidence.openings import MOST_BYTES, Nonce, Openings, choose, commit, proves, read_openings, write_openings
from expunge.types import PictureSet

ATTESTATION, OPENINGS = "attestation.json", "openings.json"
ENGINE = ("device", "precision", "channels_last", "accumulate", "threads", "max_seconds", "max_steps")
LEAF = "SHA-256(0x00 || nonce of 32 bytes || SHA-256(encoded picture as its source holds it))"
TREE = "RFC 6962, SHA-256"
NO_KEYRING = "no keyring was read: whether the key is the current one, or was revoked, is not known (--keyring)"


@dataclass(frozen=True)
class AttestSettings:
    """What to attest, and with which key.

    Args:
        run: directory of a finished `expunge erase`.
        key: file of the private key. passphrase: file with its passphrase.
        keyring: file of the keyring whose current key it must be; the one beside the key where None.
        request_id: what the request is called in the user's books.
        factory: of the network, where the run's model is a file of weights. device, threads: of this machine.
    """

    run: Path
    key: Path
    passphrase: Path | None = None
    keyring: Path | None = None
    request_id: str | None = None
    factory: str | None = None
    device: str = "auto"
    threads: int = 0


def attest_run(
    settings: AttestSettings, *, desk: Desk, clock: Clock = now, nonce: Nonce = secrets.token_bytes
) -> dict[str, Any]:
    """Write `attestation.json` and `openings.json` (mode 600) into a finished erase run.

    Returns:
        Where they are, the attestation's id (the hash of its file), whose key signed, how large the forget set is, and
        notes on what could not be looked at.

    Raises:
        RunDirectoryError: no finished erase run, or one that is attested already.
        InputError: the key cannot be used or is not its keyring's current one, or an input is not what it was.
    """
    run = erase_run(settings.run, device=settings.device, threads=settings.threads)
    if (run.path / ATTESTATION).exists():
        remedy = f"move {ATTESTATION} and {OPENINGS} away together, to make new ones"
        raise RunDirectoryError("run", expected="a run without one", came=str(run.path / ATTESTATION), remedy=remedy)
    key = read_private(settings.key, passphrase_of(settings.passphrase))
    known = check_current(key.public_key(), settings.key, settings.keyring, clock)
    openings = _committed(run, desk, settings.factory, nonce)
    desk.stage("signing")
    subjects = hash_files(run.path / "model", "run")
    said = predicate(run, openings, request_id=settings.request_id, made=utc(clock()))
    signed = attest(subjects, said, key)
    # openings first: a commitment that nobody can open any more is worth nothing
    if not (run.path / OPENINGS).exists():
        write_new(run.path / OPENINGS, write_openings(openings), "run", mode=SECRET)
    write_new(run.path / ATTESTATION, signed, "run")
    return {
        "attestation": str(run.path / ATTESTATION),
        "openings": str(run.path / OPENINGS),
        "id": hashlib.sha256(signed).hexdigest(),
        "key": key_id(key.public_key()),
        "files": len(subjects),
        "pictures": openings.size,
        "notes": [] if known else [NO_KEYRING],
    }


def disclose(openings: Path, picture: str, out: Path) -> dict[str, Any]:
    """Write the opening of one picture to a file of its own, for the person on it.

    Raises:
        InputError: no file of openings, no such picture in it, or `out` cannot be written.
    """
    found = read_openings(read_file(openings, "openings (--openings)", most=MOST_BYTES))
    write_new(out, write_openings(choose(found, picture)), "out (--out)", mode=SECRET)
    return {"out": str(out), "picture": picture}


def predicate(run: EraseRun, openings: Openings, *, request_id: str | None, made: str) -> dict[str, Any]:
    """What an attestation says beyond the files of the model.

    Raises:
        RunDirectoryError: the run's numbers are not as they were written.
    """
    found = load_run(run.path)
    try:
        return {
            "audits": list(audit_rows(found.metrics)),
            "code": {"expunge": found.job["frozen"]["expunge"]},
            "data": {"pictures": run.inputs["pictures"], "counts": dict(run.counts)},
            "environment": dict(found.job["frozen"]["versions"]),
            "forgetSet": {"leaf": LEAF, "root": openings.root.hex(), "size": openings.size, "tree": TREE},
            "limits": list(LIMITS),
            "made": made,
            "method": {"name": run.job.method.name, "settings": _texts(found.job["method"]["set"])},
            "model": {
                "before": run.inputs["weights"],
                "after": run.after,
                "references": list(run.references),
            },
            "notMeasured": [
                *not_measured(found.metrics),
                *found.metrics["audit"]["notes"],
                *found.metrics["request"]["sentences"],
            ],
            "request": {"id": request_id, "near_copies": run.job.request.near_copies},
            "run": {
                "seed": str(run.job.seed),
                "engine": _texts({name: found.job["engine"][name] for name in ENGINE}),
                "recipe": run.inputs["recipe"],
                "steps": found.metrics["steps"],
                "budget_hit": found.metrics["budget_hit"],
            },
            "verdict": _verdict(found.metrics),
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunDirectoryError("run", expected="job.yaml and metrics.json as written", came=str(run.path)) from None


def _verdict(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What the audits say together and each for itself, by which margins; sentences are the report's business."""
    found = metrics["audit"].get("verdict")
    if found is None:
        return {"overall": NOT_ASSESSED}
    audits = [{name: audit[name] for name in ("name", "split", "verdict")} for audit in found["audits"]]
    return {
        "overall": found["overall"],
        "audits": audits,
        "alarms": list(found["alarms"]),
        "margins": _texts(found["margins"]),
    }


def audit_rows(metrics: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every measured row of both models, fractions as texts."""
    for model in ("before", "after"):
        for row in metrics["audit"][f"rows_{model}"]:
            yield {**_texts(row), "model": model}


def _committed(run: EraseRun, desk: Desk, factory: str | None, nonce: Nonce) -> Openings:
    """The commitment to the forget set of a run, found anew; under the openings that are there, if somebody was killed
    between writing these and signing.
    """
    forget = reopen([run], desk, factory=factory).erasure.task.forget
    if len(forget) != run.counts["forget"]:
        expected = f"{run.counts['forget']} pictures to forget, as in the run"
        raise InputError("request", expected=expected, came=str(len(forget)), remedy="run the erasure again")
    desk.stage("hashing erased pictures")
    ids, digests = forget.ids.tolist(), _digests(run, forget)
    if (run.path / OPENINGS).exists():
        return _found(run.path / OPENINGS, dict(zip(ids, digests, strict=True)))
    return commit(ids, digests, nonce=nonce)


def _found(place: Path, digests: Mapping[str, bytes]) -> Openings:
    """Openings that are there already, if they are those of exactly these pictures."""
    found = read_openings(read_file(place, "openings", most=MOST_BYTES))
    known = [one for one in found.openings if one.picture in digests]
    opened = [one.picture for one in known if proves(one, digests[one.picture], found.root, found.size)]
    if set(opened) != set(digests) or len(opened) != found.size:
        remedy = f"move {OPENINGS} away, with the attestation that it belongs to"
        raise RunDirectoryError("run", expected="openings of this run", came=str(place), remedy=remedy)
    return found


def _digests(run: EraseRun, forget: PictureSet) -> list[bytes]:
    return encoded_digests(data_spec(run.job.data), forget.rows.tolist())


def _texts(value: Any) -> Any:
    """A plain value with its fractions as texts."""
    if isinstance(value, Mapping):
        return {name: _texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_texts(inner) for inner in value]
    return decimal(value) if isinstance(value, float) else value
