"""From seeds to rows: means with intervals, and which methods of a column are best.

Measured seeds flow in, rows and comparisons flow out. What is said about the whole table is said in `notes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from expunge.bench.cells import Cell, Comparison, Excess, Kind, Row, State
from expunge.bench.columns import COLUMNS
from expunge.bench.jobs import ORIGINAL
from expunge.bench.measured import FLOOR, NOT_RUN, RETRAINED, Measured, SeedRows
from expunge.functional.significance import against_best, t_interval
from expunge.functional.stats import interval, mean_of

Array = np.ndarray[Any, np.dtype[Any]]
KINDS: Mapping[str, Kind] = {ORIGINAL: "original", RETRAINED: "retrained", FLOOR: "floor"}
SPENT = ("work", "seconds", "speed_up")  # on a run, not measured on its pictures
LEVEL, DIGITS, LONGEST = 0.05, 9, 140


def table_rows(seeds: Sequence[SeedRows], names: Sequence[str]) -> tuple[Row, ...]:
    """One row a name, none marked yet.

    Args:
        seeds: those that can be used. names: of all rows, in their order.
    """
    return tuple(_row(name, {one.seed: one.rows[name] for one in seeds}) for name in names)


def compared(seeds: Sequence[SeedRows], rows: Sequence[Row]) -> tuple[Comparison, ...]:
    """In every marked column the best competing method against each other one."""
    return tuple(
        one for column in COLUMNS if column.marked for one in _compared(column.name, seeds, competing(seeds, rows))
    )


def excesses(seeds: Sequence[SeedRows], rows: Sequence[Row]) -> tuple[Excess, ...]:
    """Beyond the retrain floor: every method that can be ranked, in every marked column that has a floor."""
    found = []
    for column in (column.name for column in COLUMNS if column.marked):
        paired = [one for one in seeds if column in one.rows[FLOOR].values]
        for name in competing(seeds, rows) if paired else ():
            values = mean_of([one.rows[name].values[column] - one.rows[FLOOR].values[column] for one in paired])
            value, low, high = (rounded(x) for x in (values[0], *covering(values)))
            found.append(Excess(column, name, value, low, high, tuple(one.seed for one in paired)))
    return tuple(found)


def competing(seeds: Sequence[SeedRows], rows: Sequence[Row]) -> list[str]:
    """Methods that can be ranked: measured on every seed, and not simply the original again."""
    done = [row.name for row in rows if row.kind == "method" and row.state == "done"]
    return [name for name in done if any(one.rows[name].facts.get("changed", True) for one in seeds)]


def marked(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> tuple[Row, ...]:
    """The rows with the best of each compared column marked, and all that are not significantly worse."""
    stars = {(one.column, one.best) for one in comparisons}
    stars |= {(one.column, one.other) for one in comparisons if one.p_holm > LEVEL}
    return tuple(
        replace(row, cells={name: replace(cell, marked=(name, row.name) in stars) for name, cell in row.cells.items()})
        for row in rows
    )


def _compared(column: str, seeds: Sequence[SeedRows], names: Sequence[str]) -> list[Comparison]:
    if len(names) < 2:
        return []
    values = {name: mean_of([one.rows[name].values[column] for one in seeds]) for name in names}
    best, others = against_best(values)
    return [
        Comparison(column, best, name, *(rounded(x) for x in (gap[0], *covering(gap), p, p_holm)))
        for name, (gap, p, p_holm) in others.items()
    ]


def _row(name: str, found: Mapping[int, Measured]) -> Row:
    kind = KINDS.get(name, "method")
    done = {seed: one for seed, one in found.items() if one.state == "done"}
    state = _state(found, done)
    cells = {column.name: _cell(column.name, kind, list(done.values())) for column in COLUMNS}
    if not done:
        why = {"floor": "", "method": state}.get(kind, NOT_RUN)
        cells = {column: Cell(why_not=NOT_RUN if why == "missing" else why) for column in cells}
    return Row(name, kind, state, tuple(done), tuple(_remarks(kind, found, done)), cells)


def _state(found: Mapping[int, Measured], done: Mapping[int, Measured]) -> State:
    if done:
        return "done" if len(done) == len(found) else "partly"
    return "failed" if any(one.state == "failed" for one in found.values()) else "missing"


def _cell(column: str, kind: Kind, done: Sequence[Measured]) -> Cell:
    if column in SPENT:
        return _spent([cost for cost in (_cost(column, kind, one) for one in done) if cost is not None])
    if kind == "retrained" and column in ("distance", "distance_all", "tow"):
        return Cell(why_not="see the retrain floor")
    parts = [one.values[column] for one in done if column in one.values]
    if not parts:
        return Cell(why_not=next((one.why_not[column] for one in done if column in one.why_not), ""))
    if len(parts) == 1:
        low, high = covering(parts[0])
        return Cell(rounded(parts[0][0]), rounded(low), rounded(high), "bootstrap")
    values = [float(part[0]) for part in parts]
    low, high = t_interval(values)
    return Cell(rounded(np.mean(values)), rounded(low), rounded(high), "seeds")


def _cost(column: str, kind: Kind, one: Measured) -> float | None:
    """Work, seconds, or how many times as long retraining takes; None where it says nothing of this row."""
    if column == "work":
        return None if kind in ("original", "floor") else float(one.facts["work"])
    seconds, price = one.facts.get("seconds"), one.facts.get("retrain_seconds")
    if seconds is None or kind in ("original", "floor"):
        return None
    if column == "seconds":
        return float(seconds)
    return float(price) / float(seconds) if price and seconds else None


def _spent(values: Sequence[float]) -> Cell:
    if not values:
        return Cell()
    if len(values) == 1:
        return Cell(rounded(values[0]))
    return Cell(rounded(median(values)), rounded(min(values)), rounded(max(values)), "range")


def _remarks(kind: Kind, found: Mapping[int, Measured], done: Mapping[int, Measured]) -> list[str]:
    said = []
    same = [seed for seed, one in done.items() if one.facts.get("changed") is False]
    if same:
        said.append("changed no weight" + ("" if len(same) == len(found) else f" ({seeds_said(same)})"))
    for reason in dict.fromkeys(one.reason for one in found.values() if one.state != "done"):
        where = [seed for seed, one in found.items() if one.state != "done" and one.reason == reason]
        failed = any(found[seed].state == "failed" for seed in where)
        text = f"failed: {short(reason)}" if failed else reason
        said.append(text if len(where) == len(found) else f"{seeds_said(where)}: {text}")
    if kind == "original":
        said.append("nothing is done")
    if len(done) == 1 and len(found) > 1:
        said.append(f"{seeds_said(list(done))} only, with its bootstrap interval")
    return said


def covering(values: Array) -> tuple[float, float]:
    """The 95 % bootstrap interval, widened to its estimate: draws push absolute values up, past a small one."""
    low, high = interval(values[1:])
    return min(low, float(values[0])), max(high, float(values[0]))


def rounded(value: float | np.floating[Any]) -> float:
    """As it is kept: digits beyond these differ between machines."""
    return round(float(value), DIGITS)


def seeds_said(seeds: Sequence[int]) -> str:
    """Seeds in words.

    Example:
        >>> seeds_said([1]), seeds_said([0, 1, 2])
        ('seed 1', 'seeds 0, 1, 2')
    """
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def short(text: str) -> str:
    """One line, cut where it is too long for a cell."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
