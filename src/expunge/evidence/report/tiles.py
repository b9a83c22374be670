"""The few numbers to read first: audit rows flow in, tiles flow out, each with what to compare it with."""

from __future__ import annotations

from dataclasses import dataclass

from expunge.evidence.report.data import ReportData
from expunge.evidence.report.headline import ATTACK, TASK
from expunge.evidence.report.tables import Key, by_key, measured
from expunge.evidence.report.words import number, spoken_time, wording

TITLES: tuple[tuple[Key, str], ...] = (
    (ATTACK, "Membership attack (AUROC), erased against never seen"),
    (("accuracy", "forget"), "Right answers on erased pictures"),
    (TASK, "Right answers on never-seen pictures"),
)


@dataclass(frozen=True)
class Tile:
    """A number now, its interval, and what stands beside it: (label, text) each."""

    title: str
    value: str
    interval: str
    beside: tuple[tuple[str, str], ...]


def tiles(data: ReportData) -> tuple[Tile, ...]:
    """Attack, answers on erased pictures, skill, time."""
    before, after = by_key(data.rows_before), by_key(data.rows_after)
    shown = [_tile(data, key, title) for key, title in TITLES if key in before and key in after]
    return (*shown, _time(data))


def _tile(data: ReportData, key: Key, title: str) -> Tile:
    row, was = by_key(data.rows_after)[key], measured(by_key(data.rows_before)[key])
    now = measured(row)
    retrained = number(row.reference, row.unit) if row.reference is not None else "no reference"
    interval = f"95 % interval {now.interval}" if now.interval else now.reason
    return Tile(title or wording(row.name, {}).title, now.value, interval, (("before", was.value), ("retrained", retrained)))


def _time(data: ReportData) -> Tile:
    costs = data.costs
    retraining = spoken_time(costs.reference) if costs.reference is not None else "not trained here"
    ratio = f"{costs.ratio:.1f} to 1" if costs.ratio is not None else "not known"
    return Tile("Time to forget", spoken_time(costs.method), "", (("retraining", retraining), ("ratio", ratio)))
