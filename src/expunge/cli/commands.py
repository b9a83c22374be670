"""The commands: which job or arguments each takes, which use case it calls, how its answer is shown."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.app.audit import audit_files
from expunge.app.auditrun import run_fields
from expunge.app.catalog import audit_cards, method_cards
from expunge.app.demo import DemoSettings, demo
from expunge.app.draw import draw_request
from expunge.app.job import AuditJob, CheckJob, DrawJob, EraseJob, TrainJob
from expunge.app.runs import load_run
from expunge.app.train import train_files
from expunge.app.versions import EXPUNGE
from expunge.cli import attestation, bench, check, documents, figures, ledger, ledgerflags, purge, tables
from expunge.cli.flags import options, parameter, read_job
from expunge.cli.session import Answer, conclude
from expunge.cli.terminal import Terminal

VERSION = EXPUNGE
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Command:
    """A command: its help, its flags, and what it does with them (answering with an exit code)."""

    help: str
    parameters: Sequence[inspect.Parameter]
    run: Callable[[Values], int]


@dataclass(frozen=True)
class Group:
    """Commands under a common name."""

    help: str
    commands: Mapping[str, Command]


def _flag(text: str, help: str) -> Any:
    return Annotated[bool, typer.Option(text, help=help, show_default=False, rich_help_panel="Run")]


JSON = parameter("json", _flag("--json", "Print one final machine-readable line on stdout."), False)
DEBUG = parameter("debug", _flag("--debug", "Show the traceback of a bug."), False)
RESUME = parameter("resume", _flag("--resume", "Continue an interrupted run (or start it)."), False)
YES = parameter("yes", _flag("--yes", "Answer questions with yes."), False)
JOB = parameter(
    "job",
    Annotated[
        str | None,
        typer.Option("--job", metavar="PATH", help="Job file (YAML); flags override it.", rich_help_panel="Run"),
    ],
)


def _erase(values: Values) -> int:
    def work(terminal: Terminal) -> Answer:
        if values["pending"]:
            return ledger.erase_all(values, read_job(EraseJob, values), terminal)
        recorded = ledger.erase(values, read_job(EraseJob, values), terminal)
        if recorded.already:  # the numbers of the run that made that model may be about others
            place = {"out": str(recorded.run), "model": str(recorded.run / "model")}
            return {"kind": "erase", **place, "already_erased": True, "attestation": recorded.attestation}
        return _shown(recorded.run, terminal, quiet=values["json"])

    return conclude(work, as_json=values["json"], debug=values["debug"], yes=values["yes"])


def _train(values: Values) -> int:
    def work(terminal: Terminal) -> Answer:
        books = ledgerflags.books_of(values) if ledgerflags.is_named(values) else None
        place = train_files(read_job(TrainJob, values), desk=terminal, resume=values["resume"], books=books)
        return _shown(place, terminal, quiet=values["json"])

    return conclude(work, as_json=values["json"], debug=values["debug"], yes=values["yes"])


def _audit(values: Values) -> int:
    def work(terminal: Terminal) -> Answer:
        known = run_fields(Path(values["run"])) if values["run"] else {}
        place = audit_files(read_job(AuditJob, values, known), desk=terminal, resume=values["resume"])
        return _shown(place, terminal, quiet=values["json"])

    return conclude(work, as_json=values["json"], debug=values["debug"], yes=values["yes"])


def _shown(place: Path, terminal: Terminal, *, quiet: bool) -> Answer:
    finished = load_run(place)
    terminal.bars.stop()
    if not quiet:
        tables.show_run(finished)
    return finished.summary()


def _list_command(cards: Callable[[], list[dict[str, object]]], help: str) -> Command:
    def run(values: Values) -> int:
        def work(_: Terminal) -> Answer:
            found = cards()
            if not values["json"]:
                tables.show_cards(found)
            return {"items": found}

        return conclude(work, as_json=values["json"], debug=values["debug"])

    return Command(help, [JSON, DEBUG], run)


def _draw(values: Values) -> int:
    def work(terminal: Terminal) -> Answer:
        drawn = draw_request(read_job(DrawJob, values), desk=terminal)
        if not values["json"]:
            print(f"{drawn['subjects']} people with {drawn['pictures']} pictures: {drawn['out']}")
        return drawn

    return conclude(work, as_json=values["json"], debug=values["debug"])


def _demo(values: Values) -> int:
    def work(terminal: Terminal) -> Answer:
        out = Path(values["out"])
        place = demo(DemoSettings(out, seed=values["seed"], references=values["references"]), desk=terminal)
        return _shown(place, terminal, quiet=values["json"])

    return conclude(work, as_json=values["json"], debug=values["debug"], yes=True)


def _option(annotation: Any, flag: str, help: str) -> Any:
    return Annotated[annotation, typer.Option(flag, help=help, rich_help_panel="Run")]


COMMANDS: Mapping[str, Command] = {
    "erase": Command(
        "Erase people or pictures from a trained model, audit the result, write a report.\n\n"
        "Example: `expunge erase --data faces.parquet --label age_class --subject identity --model runs/original "
        "--request request.csv --reference runs/reference --out runs/erased`",
        [*options(EraseJob), *ledgerflags.FOR_A_REQUEST, JOB, RESUME, YES, JSON, DEBUG],
        _erase,
    ),
    "train": Command(
        "Train an original, or (with --without) a reference that never sees some pictures. Where a ledger is named, "
        "pictures of people whom it knows to be erased are refused.\n\n"
        "Example: `expunge train --data faces.parquet --label age_class --subject identity --without request.csv "
        "--seed 101 --out runs/reference`",
        [*options(TrainJob), *ledgerflags.WHERE, JOB, RESUME, YES, JSON, DEBUG],
        _train,
    ),
    "audit": Command(
        "Measure what finished models still know about the pictures of a request: an erase run (--run), or any model. "
        "Without a reference it says what cannot be said; shadow models (--tier) need to know how the original was "
        "trained.\n\n"
        "Example: `expunge audit --run runs/erased --tier standard --out runs/audit`, or `expunge audit --data "
        "faces.parquet --label age_class --subject identity --model runs/other --request request.csv --reference "
        "runs/reference --out runs/audit`",
        [*options(AuditJob), JOB, RESUME, YES, JSON, DEBUG],
        _audit,
    ),
    "check": Command(check.HELP, [*options(CheckJob), JOB, JSON, DEBUG], check.run),
    "bench": Command(bench.HELP, [*bench.parameters(), JSON, DEBUG], bench.run),
    "figures": Command(figures.HELP, [*figures.parameters(), JSON, DEBUG], figures.run),
    "keys": Command(attestation.KEYS_HELP, [*attestation.keys_parameters(), JSON, DEBUG], attestation.run_keys),
    "attest": Command(attestation.ATTEST_HELP, [*attestation.attest_parameters(), JSON, DEBUG], attestation.run_attest),
    "disclose": Command(
        attestation.DISCLOSE_HELP, [*attestation.disclose_parameters(), JSON, DEBUG], attestation.run_disclose
    ),
    "verify": Command(attestation.VERIFY_HELP, [*attestation.verify_parameters(), JSON, DEBUG], attestation.run_verify),
    "report": Command(documents.REPORT_HELP, [*documents.report_parameters(), JSON, DEBUG], documents.run_report),
    "export": Command(documents.EXPORT_HELP, [*documents.export_parameters(), JSON, DEBUG], documents.run_export),
    "purge": Command(purge.HELP, [*purge.parameters(), YES, JSON, DEBUG], purge.run),
    "methods": _list_command(method_cards, "List unlearning methods with their settings, cost, and when they fail."),
    "audits": _list_command(audit_cards, "List what is measured, in which unit, and which values are good."),
    "draw-request": Command(
        "Draw whole people at random until a share of the training pictures is reached; write a request (a rehearsal).",
        [*options(DrawJob), JOB, JSON, DEBUG],
        _draw,
    ),
    "demo": Command(
        "Synthetic faces: train, retrain, erase, audit, report; a few minutes on two cores. Run again to continue.",
        [
            parameter("out", _option(str, "--out", "Directory to write."), "expunge-demo"),
            parameter("seed", _option(int, "--seed", "All randomness follows from it."), 0),
            parameter("references", _option(int, "--references", "How many models to retrain."), 2),
            JSON,
            DEBUG,
        ],
        _demo,
    ),
}

GROUPS: Mapping[str, Group] = {
    "ledger": Group(
        ledger.HELP,
        {
            name: Command(sub.help, [*sub.parameters, *ledgerflags.WHERE, JSON, DEBUG], sub.run)
            for name, sub in ledger.SUB_COMMANDS.items()
        },
    ),
}
