"""Use case: the report of a finished erase run written again, with what came after it: ledger, attestation, names.

A run directory flows in, one HTML file flows out. Everything that the run's job names is loaded again and must be what
it was; the models are shown the pictures again, nothing is measured anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from expunge.app.attest import ATTESTATION
from expunge.app.desk import Desk
from expunge.app.freeze import run_key
from expunge.app.keys import now
from expunge.app.line import watch
from expunge.app.recording import run_sha256
from expunge.app.reopen import Reopened, erase_run, reopen
from expunge.app.reporting import Cover, erasure_report
from expunge.app.rundir import disk_errors
from expunge.app.runs import load_run
from expunge.audits.observe import Observation
from expunge.errors import RequestError
from expunge.evidence.files import hash_file
from expunge.evidence.keyring import utc
from expunge.evidence.ledger.store import open_ledger
from expunge.evidence.report import RequestLine, render_report

REPORT = "report.html"
SHOWN = 16  # digits of a hash, for people


@dataclass(frozen=True)
class ReportSettings:
    """What to write.

    Args:
        run: directory of a finished `expunge erase`.
        out: file to write; the run's own report is replaced where None.
        ledger: address of a ledger that knows the run and its requests.
        show_names: call people, pictures and the request's file by their names.
        show_faces: put perturbed pictures beside their originals.
        factory: of the network, where the run's model is a file of weights. device, threads: of this machine.
    """

    run: Path
    out: Path | None = None
    ledger: str | None = None
    show_names: bool = False
    show_faces: bool = False
    factory: str | None = None
    device: str = "auto"
    threads: int = 0


def report_run(settings: ReportSettings, *, desk: Desk) -> dict[str, Any]:
    """Write the report; the answer says where it is, for which requests, and with which attestation.

    Raises:
        InputError: no finished erase run, inputs that are not what they were, a ledger that does not know the run, or
            a file that cannot be written.
    """
    run = erase_run(settings.run, device=settings.device, threads=settings.threads)
    requests = ledger_lines(settings.ledger, run.path) if settings.ledger is not None else ()
    attestation = run.path / ATTESTATION
    signed = hash_file(attestation, "attestation") if attestation.exists() else ""
    opened = reopen([run], desk, factory=settings.factory)
    found = load_run(run.path)
    desk.stage("writing the report")
    data = erasure_report(
        replace(opened.erasure, key=run_key(found.job)),
        _seen(opened, desk),
        found.job,
        found.metrics,
        events=found.events(),
        cover=Cover(settings.show_faces, settings.show_names, requests, signed),
    )
    out = settings.out or run.path / REPORT
    with disk_errors(out):
        render_report(data, out)
    return {"report": str(out), "requests": [line.number for line in requests], "attestation": signed or None}


def ledger_lines(address: str, place: Path) -> tuple[RequestLine, ...]:
    """The requests that a run was made for, as the ledger has them.

    Raises:
        InputError: there is no such ledger.
        RequestError: it does not know the run.
    """
    name = run_sha256(place)
    with open_ledger(address, lambda: utc(now())).reading() as view:
        run = view.register(f"run:{name}").runs.get(name)
        if run is None:
            expected, remedy = f"a ledger that knows run {name[:SHOWN]}", "enter it with `expunge ledger record`"
            raise RequestError("ledger (--ledger)", expected=expected, came="one that does not", remedy=remedy)
        found = [view.register(f"request:{number}").request(number) for number in run.requests]
    return tuple(RequestLine(r.number, r.received.isoformat(), r.due.isoformat(), r.extended, r.state) for r in found)


def _seen(opened: Reopened, desk: Desk) -> dict[str, Observation]:
    """What the models answer, as the figures of a report need it."""
    models = {"before": opened.erasure.artefact, "after": opened.models[0]}
    if opened.reference is not None:
        models["reference"] = opened.reference
    found = {}
    for name, model in models.items():
        desk.stage(f"looking at the model: {name}")
        found[name] = watch(model.classifier, opened.erasure.task, opened.erasure.settings)
    return found
