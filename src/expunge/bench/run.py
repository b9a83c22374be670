"""Use case: a bench. Plans what a protocol asks for, does what is missing, writes the tables.

What a user asks for flows in, a folder of raw results and tables flows out. Run again, it continues.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from expunge.app.desk import Desk, ProgressReport
from expunge.app.rundir import write_whole
from expunge.bench.jobs import Job, Place, done, plan
from expunge.bench.pages import write_courses, write_pages
from expunge.bench.protocol import Memorised, Protocol, Sequence, read_protocol
from expunge.bench.table import bench_table, courses_of
from expunge.bench.workers import Workers
from expunge.engine.settings import EngineSettings, decide
from expunge.errors import InputError, Interrupted

FROZEN, SHOWN = ("precision", "channels_last"), 5


@dataclass(frozen=True)
class BenchSettings:
    """What to run, and where.

    Args:
        protocol: name or YAML file. size: one of its sizes.
        seeds, methods: a part of the protocol's; all where empty.
        jobs: rows worked on side by side, each by its share of the CPU threads.
        retry: repeat methods that failed.
        data: the pictures, where they are not below `faces`.
        faces: folder of face sets.
        cache: folder of decoded pictures and models, shared by benches.
        out: folder of results; one folder per protocol and size is made in it.
        device: `auto`, `cpu`, `cuda` ...
    """

    protocol: str
    size: str = "cpu"
    seeds: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    jobs: int = 1
    retry: bool = False
    data: Path | None = None
    faces: Path = Path("faces")
    cache: Path = Path("runs/cache")
    out: Path = Path("runs/bench")
    device: str = "auto"


@dataclass(frozen=True)
class BenchResult:
    """Where the results are."""

    out: Path
    tables: tuple[Path, ...]


def run_bench(bench: BenchSettings, *, desk: Desk) -> BenchResult:
    """Do what is missing of a protocol, then write its tables.

    Raises:
        InputError: no such protocol, size, seed or method; no data.
        Interrupted: rows are missing; run it again to continue.
    """
    protocol = read_protocol(bench.protocol)
    stages = planned(bench, protocol)
    place = place_of(bench, protocol)
    settings = _settings(bench, place)
    missing_rows = [[job for job in stage if not done(job, place, retry=bench.retry)] for stage in stages]
    total = sum(map(len, missing_rows))
    desk.say(f"{sum(map(len, stages))} rows, {total} of them to be done")
    problems: list[str] = []
    before = 0
    desk.stage(protocol.title)
    for stage in missing_rows:

        def report(count: int, rate: float, before: int = before) -> None:
            desk.progress(ProgressReport("rows", before + count, total, rate, None, {}))

        problems += Workers(bench.jobs, place, settings, desk).run(stage, report)
        before += len(stage)
        if problems:  # the next stage needs this one
            break
    for problem in problems:
        desk.warn(problem)
    if missing := [f"{job.row} (seed {job.seed})" for stage in stages for job in stage if not done(job, place)]:
        shown = ", ".join(missing[:SHOWN]) + (" ..." if len(missing) > SHOWN else "")
        raise Interrupted(f"{len(missing)} rows are missing: {shown}; run the same command again to continue")
    return BenchResult(place.out, write_results(place.out, protocol, bench.size))


def write_results(out: Path, protocol: Protocol, size: str) -> tuple[Path, ...]:
    """Table and, where requests come in a row, their courses, from the raw results in a folder; the paths."""
    tables = write_pages(bench_table(out, protocol, size), out)
    if not isinstance(protocol.forget, Sequence):
        return tables
    return *tables, *write_courses(courses_of(out, protocol, size)[0], out)


def planned(bench: BenchSettings, protocol: Protocol) -> list[list[Job]]:
    """All jobs that were asked for.

    Raises:
        InputError: naming what the protocol does not have; scores of people that it lacks.
    """
    rows = [entry.name for entry in protocol.methods]
    _among("--size", [bench.size], list(protocol.sizes))
    _among("--method", bench.methods, rows)
    if not 1 <= bench.jobs <= 256:
        raise InputError("--jobs", expected="a number from 1 to 256", came=str(bench.jobs))
    if isinstance(protocol.forget, Memorised):
        protocol.forget.by_person()  # missing scores are said before anything is trained
    chosen = [row for row in rows if row in bench.methods or not bench.methods]
    return plan(protocol, bench.protocol, bench.size, bench.seeds or protocol.seeds, chosen)


def place_of(bench: BenchSettings, protocol: Protocol) -> Place:
    """Where this bench reads and writes.

    Raises:
        InputError: the pictures are not there.
    """
    data = bench.data or bench.faces / protocol.data.file
    if not data.exists():
        raise InputError("--data", expected=f"the pictures of {protocol.name}", came=f"{data}, which is not there")
    return Place(data, bench.cache, bench.out / f"{protocol.name}-{bench.size}")


def _settings(bench: BenchSettings, place: Place) -> EngineSettings:
    """Decided once per folder: a table that is continued on another machine computes as it began."""
    frozen = place.out / "engine.json"
    stored = json.loads(frozen.read_text(encoding="utf-8")) if frozen.exists() else {}
    threads = max(1, (os.cpu_count() or 1) // bench.jobs)
    settings = decide(replace(EngineSettings(device=bench.device, threads=threads), **stored))
    if not stored:
        place.out.mkdir(parents=True, exist_ok=True)
        write_whole(frozen, json.dumps({name: getattr(settings, name) for name in FROZEN}) + "\n")
    return settings


def _among(flag: str, names: list[str] | tuple[str, ...], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise InputError(flag, expected=f"one of {', '.join(known)}", came=repr(name))
