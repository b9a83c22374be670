"""The pages of a bench table: the same bytes twice, all escaped, nothing loaded, every number with its interval."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from expunge.bench.cells import BenchTable, Cell
from expunge.bench.columns import COLUMNS
from expunge.bench.frontierfigure import Point, frontier, frontier_figure, has_frontiers
from expunge.bench.pages import escaped, read_table, said, table_html, table_markdown, write_pages
from expunge.bench.summary import SPENT
from expunge.bench.table import bench_table
from expunge.errors import DataError
from tests.bench.rawrows import Made, protocol

EVIL = "<script>alert(1)</script> | *x* `y` [z](w)"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    given = protocol(({"method": "finetune", "label": EVIL}, "neggrad", "dlfd"), title=EVIL, says=EVIL)
    made = Made(tmp_path / "raw", given).seed(references=2)
    return made.row(EVIL).row("neggrad", right={"reporting": 0.5}).row("dlfd", {"failed": EVIL})


def table(made: Made) -> BenchTable:
    return bench_table(made.out, made.protocol, "cpu", draws=100)


class Tags(HTMLParser):
    """Names and attributes of all tags, and whether they close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_same_results_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    first = write_pages(table(made), tmp_path / "a")
    second = write_pages(table(made), tmp_path / "b")
    assert [path.name for path in first] == ["table.md", "table.html", "table.json", "frontier.svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert read_table(tmp_path / "a") == table(made)


def test_html_is_escaped_whole_and_loads_nothing(made: Made) -> None:
    text = table_html(table(made))
    tags = Tags(text)
    assert tags.open == [] and "script" not in tags.seen
    assert text.count("&lt;script&gt;alert(1)") >= 5
    assert tags.attributes.isdisjoint({"src", "href", "onclick", "onload"})
    assert "url(" not in text and "@import" not in text


def test_markdown_has_one_line_a_row_with_all_cells(made: Made) -> None:
    text = table_markdown(table(made))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    results = lines[: 2 + len(table(made).rows)]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in results} == {len(COLUMNS) + 2}
    assert "<script>" not in text and r"\<script\>" in text
    assert "accuracy, reporting (near retrained)" in lines[0] and "d\\_all (lower)" in lines[0]
    assert "ToW (higher)" in lines[0]


def test_the_best_is_bold_with_a_star(made: Made) -> None:
    lines = table_markdown(table(made)).splitlines()
    best = next(line for line in lines if line.startswith("| **\\<script"))
    assert "**0.000 ★** (0.000 to 0.000)" in best
    worse = next(line for line in lines if line.startswith("| **neggrad**"))
    assert "★" not in worse
    assert '<td class="best"><span class="value">0.000 ★</span>' in table_html(table(made))


def test_every_number_but_the_time_of_one_seed_has_an_interval(made: Made) -> None:
    for row in table(made).rows:
        for name, cell in row.cells.items():
            assert (cell.value is None) == (cell.low is None) or name in SPENT


def test_failures_and_their_reasons_are_shown(made: Made) -> None:
    line = next(text for text in table_markdown(table(made)).splitlines() if text.startswith("| **dlfd**"))
    assert f"failed: {escaped(EVIL)}" in line and line.count("| failed ") == len(COLUMNS)


@pytest.mark.parametrize(
    ("cell", "column", "text"),
    [
        (Cell(0.12345, 0.1, 0.2, "seeds"), "distance", ("0.123", "0.100 to 0.200")),
        (Cell(0.12345, 0.1, 0.2, "seeds", marked=True), "distance", ("0.123 ★", "0.100 to 0.200")),
        (Cell(12.345, 9.5, 100.2, "range"), "seconds", ("12", "9.5 to 100")),
        (Cell(31.4), "speed_up", ("31x", "")),
        (Cell(why_not="not run"), "distance", ("not run", "")),
        (Cell(why_not="a long reason that stands in the notes"), "distance", ("—", "")),
    ],
)
def test_cells_in_words(cell: Cell, column: str, text: tuple[str, str]) -> None:
    assert said(cell, next(one for one in COLUMNS if one.name == column)) == text


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    assert read_table(tmp_path) is None
    for text in ("{", "[]", "{}"):
        (tmp_path / "table.json").write_text(text)
        with pytest.raises(DataError, match="a bench table"):
            read_table(tmp_path)


def test_the_frontier_is_what_no_other_beats_in_both() -> None:
    places = {"near": (0.0, 2.0), "cheap": (2.0, 0.0), "between": (1.0, 1.0), "beaten": (1.0, 1.5), "twin": (1.0, 1.0)}
    points = {name: Point(*at, badness=at) for name, at in places.items()}
    assert frontier(points) == ("near", "cheap", "between", "twin")


def test_the_figure_names_every_method_and_runs_nothing(made: Made) -> None:
    drawn = table(made)
    text = frontier_figure(drawn)
    shown = [row for row in drawn.rows if row.kind == "method" and row.cells["mia_auroc"].value is not None]
    root = ET.fromstring(text)
    words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert shown and {row.name for row in shown} | {"retrained", "original"} <= words
    assert "<script>" not in text


def test_no_figure_is_drawn_without_retrained_models(made: Made) -> None:
    drawn = table(made)
    alone = replace(drawn, rows=tuple(row for row in drawn.rows if row.kind != "retrained"))
    assert has_frontiers(drawn) and not has_frontiers(alone)
