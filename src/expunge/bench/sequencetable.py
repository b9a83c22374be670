"""The table of a bench of requests in a row: accuracy, and what is left of everybody erased, against retraining.

Courses flow in, columns, rows and notes flow out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from expunge.bench import protocol as protocols
from expunge.bench.cells import Cell, Kind, Row, State
from expunge.bench.columns import Column
from expunge.bench.jobs import ORIGINAL
from expunge.bench.measured import RETRAINED
from expunge.bench.notes import forgotten
from expunge.bench.sequences import Course
from expunge.functional.stats import interval

Array = np.ndarray[Any, np.dtype[Any]]
KINDS: Mapping[str, Kind] = {ORIGINAL: "original", RETRAINED: "retrained"}
SAID = {ORIGINAL: ("nothing is done",), RETRAINED: ("without everybody asked for so far",)}


def columns_of(forget: protocols.Sequence) -> tuple[Column, ...]:
    """Three columns for each request after which references were retrained, and the time."""
    found: list[Column] = []
    for number in forget.retrained:
        found += [
            Column(
                f"accuracy_{number}",
                f"accuracy after {number}",
                "near retrained",
                f"Share of right answers on reporting pictures after request {number}.",
            ),
            Column(
                f"erased_{number}",
                f"MIA AUROC after {number}",
                "near retrained",
                f"Probability that a picture of anybody erased by then has a lower loss than a reporting picture, "
                f"after request {number}.",
            ),
            Column(
                f"worst_{number}",
                f"worst request after {number}",
                "lower",
                f"Largest distance of the AUROC of one request's people from that of the retrained model, over "
                f"requests 1 to {number}, after request {number}. The largest of several noisy values is never near 0.",
            ),
        ]
    says = "Wall-clock time of the method for one request; median over requests."
    return (*found, Column("seconds", "seconds a request", "lower", says, "seconds"))


def rows_of(courses: Mapping[str, Course], forget: protocols.Sequence, seeds: Sequence[int]) -> tuple[Row, ...]:
    """One row a course."""
    return tuple(_row(name, course, courses[RETRAINED], forget, tuple(seeds)) for name, course in courses.items())


def _row(name: str, course: Course, retrained: Course, forget: protocols.Sequence, seeds: tuple[int, ...]) -> Row:
    cells: dict[str, Cell] = {}
    for number in forget.retrained:
        point = course.points.get(number)
        cells[f"accuracy_{number}"] = _cell(point.accuracy if point else None)
        cells[f"erased_{number}"] = _cell(point.erased if point else None)
        comparable = point and number in retrained.points and course is not retrained
        cells[f"worst_{number}"] = _cell(course.worst_gap(retrained, number) if comparable else None)
    spent = [point.seconds for point in course.points.values() if point.seconds is not None]
    cells["seconds"] = Cell(float(np.median(spent))) if spent else Cell()
    state: State = "done" if not course.reason else "partly" if course.points else "missing"
    says = SAID.get(name, (course.reason,) if course.reason else ())
    return Row(name, KINDS.get(name, "method"), state, seeds, says, cells)


def _cell(values: Array | None) -> Cell:
    if values is None:
        return Cell()
    low, high = interval(values[1:])
    return Cell(float(values[0]), low, high, "bootstrap")


def sequence_notes(protocol: protocols.Protocol, forget: protocols.Sequence, size: str) -> tuple[str, ...]:
    """On what the numbers rest, and what they cannot say."""
    how = protocol.sizes[size]
    return (
        f"Protocol {protocol.name}, size {size}: {how.arch} on pictures of {how.side} x {how.side}, {how.epochs:g} "
        f"epochs. Forgotten in {forget.requests} requests: {forgotten(forget)}. "
        "Each begins with the model that the one before left, and nothing learns from anybody asked for before.",
        f"References are retrained without everybody asked for so far, after requests "
        f"{', '.join(map(str, forget.retrained))}; they, not one half, are what an AUROC is compared with.",
        "One request is few people: its AUROC alone is noisy, and the largest distance of several more so.",
        "The row of the original shows what is known of the same people before anything is erased.",
    )


def sequence_interval(seeds: Sequence[int], draws: int) -> str:
    """What the intervals of the table are."""
    if not seeds:
        return "No seed can be measured yet."
    return (
        f"Seeds: {', '.join(map(str, seeds))}. Intervals are 95 % intervals from {draws:,} bootstrap draws of people"
        f"{', of the mean over seeds' if len(seeds) > 1 else ''}; what another split, other forgotten people or "
        "another training would change is not in them."
    )
