"""The commands that write documents about a finished run: `report` and `export`; their flags, how answers are shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.app.export import ExportSettings, export_run
from expunge.app.report import ReportSettings, report_run
from expunge.cli.flags import parameter
from expunge.cli.session import Answer, conclude
from expunge.cli.terminal import Terminal

Values = Mapping[str, Any]
REPORT_HELP = (
    "Write the report of a finished erase run again: with the dates of its request, its attestation, or names.\n\n"
    "Example: `expunge report runs/erased --ledger ledger.db`"
)
EXPORT_HELP = (
    "Write the model of a finished erase run as an ONNX file, checked for equal answers (extra: `expunge[onnx]`).\n\n"
    "Example: `expunge export --run runs/erased --onnx erased.onnx`"
)


def _option(annotation: Any, flag: str, help: str, metavar: str | None = None) -> Any:
    return Annotated[annotation, typer.Option(flag, help=help, metavar=metavar, rich_help_panel="Documents")]


FACTORY = parameter(
    "factory",
    _option(str | None, "--factory", "package.module:factory of the network, where the run used one.", "TEXT"),
)
THREADS = parameter("threads", _option(int, "--threads", "CPU threads; 0 for torch's own choice.", "INT"), 0)


def report_parameters() -> list[Parameter]:
    """The flags of `expunge report`; their defaults are those of `ReportSettings`."""
    given = ReportSettings(Path())
    run = Annotated[str, typer.Argument(metavar="RUN", help="Directory of a finished `expunge erase`.")]
    ledger = "Ledger that knows the run and its requests ($EXPUNGE_LEDGER); without it no dates are told."
    return [
        parameter("run", run, Parameter.empty),
        parameter(
            "out", _option(str | None, "--out", "File to write; replaces the run's report if not given.", "PATH")
        ),
        parameter("ledger", _option(str | None, "--ledger", ledger, "PATH")),
        parameter(
            "show_names",
            _option(bool, "--show-names", "Call people and pictures by their names, not by numbers."),
            given.show_names,
        ),
        parameter(
            "show_faces", _option(bool, "--show-faces", "Put pictures of people into the report."), given.show_faces
        ),
        FACTORY,
        parameter("device", _option(str, "--device", "auto, cpu, cuda, cuda:1, mps.", "TEXT"), given.device),
        THREADS,
    ]


def export_parameters() -> list[Parameter]:
    """The flags of `expunge export`."""
    return [
        parameter("run", _option(str, "--run", "Directory of a finished `expunge erase`.", "PATH"), Parameter.empty),
        parameter("onnx", _option(str, "--onnx", "File to write.", "PATH"), Parameter.empty),
        FACTORY,
        THREADS,
    ]


def run_report(values: Values) -> int:
    """Write the report, and say where it is."""

    def work(terminal: Terminal) -> Answer:
        settings = ReportSettings(
            run=Path(values["run"]),
            out=Path(values["out"]) if values["out"] else None,
            ledger=values["ledger"] or os.environ.get("EXPUNGE_LEDGER") or None,
            show_names=values["show_names"],
            show_faces=values["show_faces"],
            factory=values["factory"],
            device=values["device"],
            threads=values["threads"],
        )
        answer = report_run(settings, desk=terminal)
        terminal.bars.stop()
        if not values["json"]:
            print(f"report: {answer['report']}")
        return answer

    return conclude(work, as_json=values["json"], debug=values["debug"])


def run_export(values: Values) -> int:
    """Export, and say whether the answers are equal."""

    def work(terminal: Terminal) -> Answer:
        settings = ExportSettings(
            run=Path(values["run"]), onnx=Path(values["onnx"]), factory=values["factory"], threads=values["threads"]
        )
        answer = export_run(settings, desk=terminal)
        terminal.bars.stop()
        if not values["json"]:
            print(f"{answer['onnx']}: {told(answer)}\nhand-off page: {answer['page']}")
        return answer

    return conclude(work, as_json=values["json"], debug=values["debug"])


def told(answer: Mapping[str, Any]) -> str:
    """The outcome of the comparison as a line of text."""
    if answer["note"]:
        return f"not checked: {answer['note']}"
    return f"equal answers (largest difference {answer['difference']:.2g}, {answer['tolerance']:.2g} allowed)"
