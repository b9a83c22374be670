"""The command `expunge check`: how its answer is shown, and which exit code it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from expunge.app.check import Checked, check_files
from expunge.app.job import CheckJob
from expunge.cli.flags import read_job
from expunge.cli.session import DONE, STOP, WARNED, Answer, conclude
from expunge.cli.tables import result_console
from expunge.cli.terminal import Terminal

HELP = (
    "Look at data and request before anything is trained: copies, conflicts, balance, what audits could show, cost.\n\n"
    "Ends with 0 for go, with 6 for go with warnings, and with 4 for stop.\n\n"
    "Example: `expunge check --data faces.parquet --label age_class --subject identity --request request.csv "
    "--out runs/check`"
)
COLOURS = {"go": "bold green", "warnings": "bold yellow", "stop": "bold red", "warning": "bold yellow"}
CODES = {"go": DONE, "warnings": WARNED, "stop": STOP}


def run(values: Mapping[str, Any]) -> int:
    """Check, show what was found, and say by the exit code whether to go on."""

    def work(terminal: Terminal) -> Answer:
        checked = check_files(read_job(CheckJob, values), desk=terminal)
        terminal.bars.stop()
        if not values["json"]:
            show(checked, result_console())
        return {**checked.summary(), "exit": CODES[checked.verdict]}

    return conclude(work, as_json=values["json"], debug=values["debug"])


def show(checked: Checked, console: Console) -> None:
    """Tables first, then findings and the verdict, where the eye ends up."""
    for shown in checked.tables:
        if shown.rows:
            console.print(f"[dim]{escape(shown.caption)}[/]", highlight=False)
            table = Table(show_edge=False, pad_edge=False)
            for column in shown.columns:
                table.add_column(column)
            for row in shown.rows:
                table.add_row(*map(escape, row))
            console.print(table)
            console.print()
    for finding in checked.findings:
        colour = COLOURS[finding.level]
        console.print(f"[{colour}]{finding.label}:[/] [bold]{escape(finding.title)}[/]", highlight=False)
        console.print(f"  {escape(finding.text)}\n  {escape(finding.remedy)}", highlight=False)
    console.print(f"[{COLOURS[checked.verdict]}]{escape(checked.headline)}[/]", highlight=False)
