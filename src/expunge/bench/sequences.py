"""What became of accuracy and of all erased people over a sequence of requests, per method, against retraining.

Raw rows of a sequence flow in, a course per row flows out: values after each request, with bootstrap draws where
retrained references stand beside them. The same people are drawn for every model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from expunge.audits.observe import Observation
from expunge.audits.resampling import Weights, resampling
from expunge.bench.jobs import ORIGINAL, Job, after, asked, reference_of, reference_rows
from expunge.bench.measured import RETRAINED
from expunge.bench.protocol import Protocol, Sequence
from expunge.bench.raw import RawFolder
from expunge.errors import DataError
from expunge.functional.stats import mean_of, weighted_auroc, weighted_mean

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Point:
    """A model after some requests.

    Args:
        accuracy: on reporting pictures, float64 [1 + draws]; the estimate first.
        erased: AUROC of the loss, everybody erased so far against reporting pictures; [1 + draws].
        each: the same for the people of each request so far, in their order; [requests, 1 + draws].
        seconds: that the method took for the last request; None for what was trained.
    """

    accuracy: Array
    erased: Array
    each: Array
    seconds: float | None


@dataclass(frozen=True)
class Course:
    """A row of the bench over the requests.

    Args:
        points: by number of requests; those of the original are of one and the same model.
        reason: why some are missing, "" where none is.
    """

    points: Mapping[int, Point]
    reason: str = ""

    def worst_gap(self, retrained: Course, request: int) -> Array:
        """The largest distance of one request's AUROC from the retrained model's, after `request`; [1 + draws]."""
        gap: Array = np.abs(self.points[request].each - retrained.points[request].each).max(axis=0)
        return gap


def measure_courses(raw: RawFolder, protocol: Protocol, size: str, seed: int, *, draws: int) -> dict[str, Course]:
    """Every row of a seed by name: `original`, `retrained` and the methods; empty where no references are there yet.

    Raises:
        DataError: results that cannot be read.
    """
    task, forget = raw.task(), protocol.forget
    if task is None or not isinstance(forget, Sequence):
        return {}
    reader = _Reader(raw, protocol, forget, size, seed, np.array(task["requests"]), draws)
    retrained = reader.retrained()
    if not retrained.points:
        return {}
    rows = {ORIGINAL: reader.original(), RETRAINED: retrained}
    return rows | {entry.name: reader.method(entry.name) for entry in protocol.methods}


@dataclass(frozen=True)
class _Reader:
    """The raw rows of one seed.

    Args:
        request: of every forget picture, the number of the request that it belongs to.
    """

    raw: RawFolder
    protocol: Protocol
    forget: Sequence
    size: str
    seed: int
    request: Array
    draws: int

    def original(self) -> Course:
        if self.told(ORIGINAL, ORIGINAL, "original") is None:
            return Course({}, "not run")
        return Course({number: self.point(ORIGINAL, number, None) for number in range(1, self.forget.requests + 1)})

    def retrained(self) -> Course:
        """References, mean over those of the same request."""
        found: dict[int, list[Point]] = {}
        for row in reference_rows(self.protocol, self.seed):
            number = reference_of(row)[1]
            if number is not None and self.told(row, row, "reference") is not None:
                found.setdefault(number, []).append(self.point(row, number, None))
        return Course({number: _mean(points) for number, points in found.items()})

    def method(self, name: str) -> Course:
        points: dict[int, Point] = {}
        for number in range(1, self.forget.requests + 1):
            told = self.told(after(name, number), name, "sequence")
            if told is None or "failed" in told:
                return Course(points, "not run" if told is None else f"request {number}: {told['failed']}")
            points[number] = self.point(after(name, number), number, float(told["seconds"]))
        return Course(points)

    def told(self, row: str, job: str, kind: Any) -> dict[str, Any] | None:
        """What is known about a raw row, None where there is none that was asked for in this way."""
        told, task = self.raw.told(row), self.raw.task()
        wanted = asked(Job(self.protocol.name, self.size, self.seed, kind, job), self.protocol)
        there = told is not None and task is not None and told["asked"] == wanted and told["task"] == task["key"]
        return told if there else None

    def point(self, row: str, number: int, seconds: float | None) -> Point:
        seen = self.raw.observation(row)
        weights = self.weights(seen, number)
        return Point(
            accuracy=weighted_mean(seen["reporting"].hits, weights["reporting"]),
            erased=self.auroc(seen, weights, self.request <= number),
            each=np.stack([self.auroc(seen, weights, self.request == i) for i in range(1, number + 1)]),
            seconds=seconds,
        )

    def weights(self, seen: Observation, number: int) -> Weights:
        """Drawn where references stand beside it; elsewhere only the estimate is of use."""
        return resampling(seen, draws=self.draws if number in self.forget.retrained else 0, seed=self.seed)

    def auroc(self, seen: Observation, weights: Weights, chosen: Array) -> Array:
        forget, others = seen["forget"], seen["reporting"]
        if len(chosen) != len(forget.ids):
            expected = f"the requests of {len(forget.ids)} pictures"
            raise DataError(str(self.raw.path), expected=expected, came=f"those of {len(chosen)}")
        ours, theirs = weights["forget"][:, chosen], weights["reporting"]
        return weighted_auroc(-forget.losses[chosen], -others.losses, ours, theirs)


def mean_course(courses: list[Course]) -> Course:
    """The same row of several seeds: mean over the seeds, draw by draw; only what all of them have."""
    numbers = [n for n in courses[0].points if all(n in course.points for course in courses)]
    reason = next((course.reason for course in courses if course.reason), "")
    return Course({number: _mean([course.points[number] for course in courses]) for number in numbers}, reason)


def _mean(points: list[Point]) -> Point:
    known = [point.seconds for point in points if point.seconds is not None]
    return Point(
        accuracy=mean_of([point.accuracy for point in points]),
        erased=mean_of([point.erased for point in points]),
        each=mean_of([point.each for point in points]),
        seconds=float(np.mean(known)) if known else None,
    )


def estimates_of(courses: Mapping[str, Course]) -> dict[str, list[dict[str, Any]]]:
    """All courses as plain values without intervals, for JSON."""
    return {name: list(_plain(course)) for name, course in courses.items()}


def _plain(course: Course) -> Iterator[dict[str, Any]]:
    for number, point in sorted(course.points.items()):
        each = [float(value) for value in point.each[:, 0]]
        values = {"accuracy": float(point.accuracy[0]), "erased": float(point.erased[0]), "each": each}
        yield {"request": number, **values, "seconds": point.seconds}
