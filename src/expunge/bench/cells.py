"""A bench table as plain values: rows, cells with intervals, comparisons, notes. Everything else only shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from expunge.bench.columns import Column

Interval = Literal["seeds", "bootstrap", "range", "none"]
Kind = Literal["original", "retrained", "floor", "method"]
State = Literal["done", "partly", "failed", "missing"]


@dataclass(frozen=True)
class Cell:
    """A number with its interval, or why there is none.

    Args:
        value, low, high: None where not known.
        interval: what low and high are: a 95 % t interval over seeds, a 95 % bootstrap interval over people (else
            pictures) of one seed, or the range over seeds.
        why_not: why there is no value.
        marked: best of its column, or not significantly worse.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    interval: Interval = "none"
    why_not: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Row:
    """A row.

    Args:
        name: of the method row, or `original`, `retrained`, `retrain floor`.
        state: `partly` where some seeds are missing or failed.
        seeds: on which it was measured.
        says: remarks in words, e.g. that no weight was changed.
        cells: by name of column.
    """

    name: str
    kind: Kind
    state: State
    seeds: tuple[int, ...]
    says: tuple[str, ...]
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Comparison:
    """The best method of a column against another one: how much more, over people drawn, all seeds averaged.

    Args:
        difference, low, high: other minus best, with its 95 % bootstrap interval.
        p: two-sided. p_holm: the same, adjusted for all comparisons of the column.
    """

    column: str
    best: str
    other: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Excess:
    """How much farther a method is from retrained models than these are from each other, same people drawn for both.

    Args:
        value, low, high: distance minus the retrain floor, with its 95 % bootstrap interval.
        seeds: those with two references.
    """

    column: str
    method: str
    value: float
    low: float
    high: float
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class BenchTable:
    """A table.

    Args:
        protocol, title, says, size: of the bench.
        seeds: on which the numbers rest.
        interval: in words, what the intervals of the table are.
        notes: sentences that belong below the table.
        raw: fingerprint of the results that it was made from.
        excesses: of every method that is compared, in every distance that has a floor.
    """

    protocol: str
    title: str
    says: str
    size: str
    seeds: tuple[int, ...]
    interval: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    raw: str
    excesses: tuple[Excess, ...] = ()

    def row(self, name: str) -> Row:
        """A row by its name.

        Raises:
            KeyError: there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> BenchTable:
        """What `to_json` told."""
        rows = [
            Row(
                **{
                    **row,
                    "seeds": tuple(row["seeds"]),
                    "says": tuple(row["says"]),
                    "cells": {name: Cell(**cell) for name, cell in row["cells"].items()},
                }
            )
            for row in told["rows"]
        ]
        return cls(
            **{
                **told,
                "seeds": tuple(told["seeds"]),
                "columns": tuple(Column(**column) for column in told["columns"]),
                "rows": tuple(rows),
                "comparisons": tuple(Comparison(**one) for one in told["comparisons"]),
                "notes": tuple(told["notes"]),
                "excesses": tuple(Excess(**{**one, "seeds": tuple(one["seeds"])}) for one in told.get("excesses", ())),
            }
        )
