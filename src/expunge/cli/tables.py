"""Answers for people: the table of a run, and cards of methods and audits, on standard output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from expunge.app.results import TableRow, headline_rows, shown_value, table_rows, verdicts
from expunge.app.runs import Run

PLAIN_WIDTH = 160  # a pipe has no width; tables must not be wrapped for it


def show_run(run: Run) -> None:
    """What a finished run measured, and where everything is."""
    console = result_console()
    metrics = run.metrics
    if run.kind == "train":
        for name, value in metrics["accuracy"].items():
            console.print(f"accuracy, {name}: {value:.3f}", highlight=False)
    else:
        console.print(measured_table(list(table_rows(metrics)), reference=bool(metrics["references"])))
        _notes(console, metrics)
        _verdicts(console, metrics)
    if (run.path / "model").exists():
        _line(console, f"model:  {run.path / 'model'}")
    if run.report is not None:
        _line(console, f"report: {run.report}")


def measured_table(rows: Sequence[TableRow], *, reference: bool) -> Table:
    """Headline measurements side by side, with 95 % intervals."""
    table = Table(show_edge=False, pad_edge=False)
    shown = headline_rows(rows)
    models = list(shown[0].values) if shown else []
    for title in ("measure", "pictures"):
        table.add_column(title)
    for title in ("n", *models, *(["reference"] if reference else [])):
        table.add_column(title, justify="right")
    for row in shown:
        cells = [shown_value(row.values[model]) for model in models]
        end = ["" if row.reference is None else f"{row.reference:.3f}"] if reference else []
        table.add_row(row.name, row.split, f"{row.n:,}", *cells, *end)
    return table


def show_cards(cards: Sequence[Mapping[str, Any]]) -> None:
    """One paragraph for every method or audit."""
    console = result_console()
    for card in cards:
        console.print(f"[bold]{escape(str(card['name']))}[/]")
        for key, value in card.items():
            if key != "name" and value not in ("", None, {}, []):
                shown = ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, Mapping) else value
                console.print(f"  [dim]{key.replace('_', ' ')}:[/] {escape(str(shown))}", highlight=False)
        console.print()


def _verdicts(console: Console, metrics: Mapping[str, Any]) -> None:
    for model, found in verdicts(metrics).items():
        whose = "" if model == "after" else f" on {model}"
        _line(console, f"verdict{whose}: {found['overall']}")
        for sentence in dict.fromkeys((*found["reasons"], *found["alarms"])):  # an alarm may be the reason
            _line(console, f"  {sentence}")


def _notes(console: Console, metrics: Mapping[str, Any]) -> None:
    if not metrics["references"]:
        _line(console, "no reference: nothing can be said about how a retrained model would differ (--reference)")
    if metrics.get("weights", {}).get("changed") is False:
        console.print("[bold red]the method changed no weight: nothing was erased[/]")
    if metrics.get("budget_hit"):
        _line(console, f"stopped early by the budget {metrics['budget_hit']}")


def result_console() -> Console:
    """Standard output, wide enough where it is a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def _line(console: Console, text: str) -> None:
    console.print(escape(text), soft_wrap=True, highlight=False)
