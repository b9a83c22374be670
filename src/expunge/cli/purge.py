"""The command `expunge purge`: its flags, how plan and answer are shown, and which exit code it gives."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from inspect import Parameter
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from expunge.app.purge import RECEIPTS, Inventory, Item, Purged, PurgeSettings, purge, visible
from expunge.cli.flags import parameter
from expunge.cli.ledgerflags import WHERE, books_of
from expunge.cli.session import DONE, LEFT, Answer, conclude
from expunge.cli.tables import result_console
from expunge.cli.terminal import Terminal

HELP = (
    "Find everything that still holds the people whom a run erased, delete it with receipts, search once more.\n\n"
    "Ends with 0 where nothing is left, and with 5 where something is.\n\n"
    "Example: `expunge purge --run runs/erased --root runs --root cache --ledger books/ledger.db`"
)
FATES: Mapping[str, tuple[str, str]] = {
    "delete": ("delete", "bold red"),
    "yours": ("remove it yourself", "bold yellow"),
    "keep": ("keep", "bold green"),
}
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def _option(annotation: Any, flag: str, help: str) -> Any:
    return Annotated[annotation, typer.Option(flag, help=help, metavar="PATH", rich_help_panel="Purge")]


def parameters() -> list[Parameter]:
    """The flags."""
    return [
        parameter("run", _option(str, "--run", "Directory of a finished `expunge erase`."), Parameter.empty),
        parameter(
            "roots",
            _option(list[str] | None, "--root", "Further folder to look and delete in; repeatable."),
        ),
        *WHERE,
    ]


def run(values: Mapping[str, Any]) -> int:
    """Show the plan, ask, delete, and say what is left."""
    console = result_console()

    def work(terminal: Terminal) -> Answer:
        def show(plan: Inventory) -> None:
            terminal.bars.stop()
            if not values["json"]:
                show_items(plan, console)
            terminal.bars.start()

        settings = PurgeSettings(
            run=Path(values["run"]),
            roots=tuple(map(Path, values["roots"] or ())),
            books=books_of(values) if values["ledger"] or os.environ.get("EXPUNGE_LEDGER") else None,
        )
        purged = purge(settings, desk=terminal, show=show)
        terminal.bars.stop()
        if not values["json"]:
            show_end(purged, settings, console)
        return {**purged.to_json(), "exit": LEFT if purged.after.left else DONE}

    return conclude(work, as_json=values["json"], debug=values["debug"], yes=values["yes"])


def show_items(plan: Inventory, console: Console) -> None:
    """What was found, what becomes of it and why; many files of one kind in one folder as one line."""
    table = Table(show_edge=False, pad_edge=False)
    for title in ("what becomes of it", "what", "where", "what it holds", "why"):
        table.add_column(title, overflow="fold")
    table.add_column("size", justify="right")
    for _, group in groupby(plan.items, key=lambda i: (i.fate, i.kind, i.path.parent, i.reason)):
        items = list(group)
        word, colour = FATES[items[0].fate]
        what = f"[{colour}]{word}[/]"
        table.add_row(what, *map(escape, (items[0].kind, _where(items), _holds(items), items[0].reason, _size(items))))
    if plan.items:
        console.print(table)
    for note in plan.notes:
        console.print(f"[dim]{escape(note)}[/]", highlight=False, soft_wrap=True)


def show_end(purged: Purged, settings: PurgeSettings, console: Console) -> None:
    """What was deleted, and whether anything is left."""
    if purged.deleted:
        line = f"{purged.deleted} files deleted; receipts: {settings.run / RECEIPTS}"
        console.print(escape(visible(line)), highlight=False, soft_wrap=True)
    left = purged.after.left
    if not left:
        console.print("[bold green]Searched again: nothing more that holds them was found below these folders.[/]")
        return
    if purged.agreed:
        show_items(Inventory(left), console)
    else:
        console.print("nothing was deleted: nobody said yes (--yes)", highlight=False)
    console.print(f"[bold red]Left: {len(left)} files still hold them.[/]", highlight=False)


def _where(items: Sequence[Item]) -> str:
    path = items[0].path if len(items) == 1 else items[0].path.parent
    near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return visible(str(near)) if len(items) == 1 else f"{visible(str(near))}/ ({len(items)} files)"


def _holds(items: Sequence[Item]) -> str:
    """What is said of one of them, and that others hold other things."""
    return items[0].holds if len({item.holds for item in items}) == 1 else f"{items[0].holds}, and more"


def _size(items: Sequence[Item]) -> str:
    amount, unit = float(sum(item.bytes for item in items)), 0
    while amount >= 1024 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:,.0f} {UNITS[unit]}" if unit == 0 else f"{amount:,.1f} {UNITS[unit]}"
