"""Compares two ways of doing the same work in one run, in turn, and holds the ratio against a threshold.

Absolute times are noise on shared machines; the ratio of neighbours is not. Raw seconds are kept beside the result.
"""

from __future__ import annotations

import json
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch

RESULTS = Path(__file__).parent / "results"
In, Out = TypeVar("In"), TypeVar("Out")


@dataclass(frozen=True)
class Comparison:
    """Seconds of two sides, pair by pair; `ratios` are theirs over ours, so that larger is better for us."""

    name: str
    ours: list[float]
    theirs: list[float]
    threshold: float
    note: str

    @property
    def ratios(self) -> list[float]:
        return [b / a for a, b in zip(self.ours, self.theirs, strict=True)]

    @property
    def holds(self) -> bool:
        return statistics.median(self.ratios) >= self.threshold

    def row(self) -> dict[str, object]:
        r = sorted(self.ratios)
        spread = {"median": statistics.median(r), "min": r[0], "max": r[-1]}
        return {**asdict(self), "ratio": {k: round(v, 3) for k, v in spread.items()}, "holds": self.holds}


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    rounds: int,
    threshold: float,
    note: str,
    warmup: bool = True,
) -> Comparison:
    """Run both sides in turn `rounds` times after a warm-up of each and keep the seconds."""
    if warmup:
        ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    made = Comparison(name, [a for a, _ in pairs], [b for _, b in pairs], threshold, note)
    ratio = made.row()["ratio"]
    print(f"{'ok  ' if made.holds else 'FAIL'} {name}: ratio {ratio}, threshold {threshold}", flush=True)
    return made


def write(script: str, rows: list[dict[str, object]]) -> None:
    """Keep raw results under benchmarks/results; exit with 1 where a threshold does not hold."""
    RESULTS.mkdir(exist_ok=True)
    machine = {"processor": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    body = {"machine": machine, "results": rows}
    (RESULTS / f"{Path(script).stem}.json").write_text(json.dumps(body, indent=1) + "\n")
    if not all(row["holds"] for row in rows):
        sys.exit(1)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def spread(work: Callable[[In], Out], asked: Sequence[In], jobs: int) -> Iterator[Out]:
    """Do work in several processes of one thread each; results as they come."""
    with multiprocessing.get_context("spawn").Pool(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.imap_unordered(work, asked)
