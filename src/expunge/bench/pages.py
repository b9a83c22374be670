"""A bench table as Markdown, as one self-contained HTML file and as JSON; the same table gives the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from expunge.app.rundir import write_whole
from expunge.bench.cells import BenchTable, Cell, Comparison, Row
from expunge.bench.columns import Column
from expunge.bench.coursefigure import course_figure
from expunge.bench.frontierfigure import frontier_figure, has_frontiers
from expunge.bench.measured import NOT_RUN
from expunge.bench.notes import MARK
from expunge.bench.sequences import Course, estimates_of
from expunge.errors import DataError
from expunge.evidence.report.words import bounds, counted, number

DASH = "\N{EM DASH}"
JSON, COURSES, FRONTIER = "table.json", "courses.svg", "frontier.svg"


def write_pages(table: BenchTable, out: Path) -> tuple[Path, ...]:
    """Write `table.md`, `table.html` and `table.json` into a folder; each replaces what was there in one step.

    Where methods stand beside retrained models, `frontier.svg` as well.

    Returns:
        The paths.
    """
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "table.md": f"# {escaped(table.title)}\n\n{table_markdown(table)}\n",
        "table.html": table_html(table),
        JSON: json.dumps(table.to_json(), indent=1, sort_keys=True, allow_nan=False) + "\n",
    }
    if has_frontiers(table):
        texts[FRONTIER] = frontier_figure(table)
    for name, text in texts.items():
        write_whole(out / name, text)
    return tuple(out / name for name in texts)


def write_courses(courses: Mapping[str, Course], out: Path) -> tuple[Path, ...]:
    """Write the values of requests in a row, `courses.json`, and their figure, `courses.svg`, into a folder.

    Returns:
        The two paths.
    """
    told = estimates_of(courses)
    write_whole(out / "courses.json", json.dumps(told, indent=1, sort_keys=True, allow_nan=False) + "\n")
    write_whole(out / COURSES, course_figure(told))
    return out / "courses.json", out / COURSES


def read_table(out: Path) -> BenchTable | None:
    """The table that `write_pages` wrote into a folder, None where there is none.

    Raises:
        DataError: the file is something else.
    """
    path = out / JSON
    if not path.exists():
        return None
    try:
        return BenchTable.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise DataError(str(path), expected="a bench table", came="something else", remedy="delete it") from None


def table_markdown(table: BenchTable) -> str:
    """The table, what its columns say, its notes and comparisons, below no heading."""
    head = ["method", *(f"{escaped(column.title)} ({column.better})" for column in table.columns)]
    lines = [head, ["---"] * len(head), *(_line(row, table) for row in table.rows)]
    parts = [escaped(table.says)] if table.says else []
    parts += [escaped(table.interval), "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    parts += [_list(f"**{escaped(column.title)}**: {escaped(column.says)}" for column in table.columns)]
    parts += ["Notes:", _list(map(escaped, table.notes))]
    if table.comparisons:
        parts += ["Comparisons with the best method:", _comparisons(table)]
    return "\n\n".join(parts)


def table_html(table: BenchTable) -> str:
    """The same as one HTML file that loads nothing."""
    loader = ChoiceLoader([PackageLoader("expunge.bench"), PackageLoader("expunge.evidence.report")])
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(counted=counted)
    titles = {column.name: column.title for column in table.columns}
    page = environment.get_template("bench.html")
    return page.render(table=table, said=said, compared=compared, titles=titles) + "\n"


def said(cell: Cell, column: Column) -> tuple[str, str]:
    """A cell in words: its value or why there is none, and its interval.

    Example:
        >>> said(Cell(0.5361, 0.5, 0.57, "seeds"), Column("d", "d", "lower", ""))
        ('0.536', '0.500 to 0.570')
    """
    if cell.value is None:
        known = cell.why_not if len(cell.why_not) <= len(NOT_RUN) else ""  # longer reasons stand in the notes
        return known or DASH, ""
    star = f" {MARK}" if cell.marked else ""
    if column.form == "number":
        return number(cell.value, "") + star, bounds(cell.low, cell.high, "")
    ends = [_plain(end, column) for end in (cell.low, cell.high) if end is not None]
    return _plain(cell.value, column) + star, " to ".join(ends)


def compared(one: Comparison) -> tuple[str, ...]:
    """A comparison in words: difference, interval, p, p adjusted."""
    return number(one.difference, ""), bounds(one.low, one.high, ""), f"{one.p:.3f}", f"{one.p_holm:.3f}"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line.

    Example:
        >>> print(escaped("d_all | <b>"))
        d\\_all \\| \\<b\\>
    """
    return re.sub(r"([\\`*_\[\]<>|~$#&])", r"\\\1", " ".join(text.split()))


def _plain(value: float, column: Column) -> str:
    text = f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
    return text + ("x" if column.form == "times" else "")


def _line(row: Row, table: BenchTable) -> list[str]:
    name = "<br>".join([f"**{escaped(row.name)}**", *map(escaped, row.says)])
    return [name, *(_cell(row.cells[column.name], column) for column in table.columns)]


def _cell(cell: Cell, column: Column) -> str:
    value, interval = said(cell, column)
    return (f"**{value}**" if cell.marked else value) + (f" ({interval})" if interval else "")


def _comparisons(table: BenchTable) -> str:
    titles = {column.name: escaped(column.title) for column in table.columns}
    head = ("column", "best", "compared with", "difference", "95 % interval", "p", "p, Holm")
    lines = [(titles[one.column], escaped(one.best), escaped(one.other), *compared(one)) for one in table.comparisons]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ("---",) * len(head), *lines))


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
