"""The table of a bench, made from raw results alone.

A folder of raw results and its protocol flow in, a `BenchTable` flows out. No model and no picture is needed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from threadpoolctl import threadpool_limits

from expunge.app.measure import plain
from expunge.bench.cells import BenchTable
from expunge.bench.columns import COLUMNS
from expunge.bench.jobs import ORIGINAL
from expunge.bench.measured import FLOOR, RETRAINED, measure_seed
from expunge.bench.notes import interval_words, notes
from expunge.bench.protocol import Protocol, Sequence
from expunge.bench.raw import RawFolder
from expunge.bench.sequences import Course, mean_course, measure_courses
from expunge.bench.sequencetable import columns_of, rows_of, sequence_interval, sequence_notes
from expunge.bench.summary import compared, excesses, marked, table_rows
from expunge.methods.registry import resolve_method

FORMAT = 2  # of a table: raised where the same results would give another one
DRAWS, DRAWS_PER_METHOD = 1000, 60  # with fewer per method no p-value could pass Holm's first step at .05
SEED = "seed-"


def bench_table(out: Path, protocol: Protocol, size: str, *, draws: int | None = None) -> BenchTable:
    """The table of a protocol and size.

    Args:
        out: folder with `seed-0/`, `seed-1/` ... protocol, size: as it was run.
        draws: bootstrap resamples of people (else of pictures); enough for the number of methods where not given.

    Raises:
        DataError: results that cannot be read.
    """
    draws = draws or enough_draws(protocol)
    if isinstance(protocol.forget, Sequence):
        return _in_turn(out, protocol, protocol.forget, size, draws)
    numbers = dict.fromkeys([*protocol.seeds, *sorted(_there(out))])
    with threadpool_limits(limits=1):  # matrices are small: threads waiting for each other triple the time
        found = [measure_seed(RawFolder(out / f"{SEED}{n}"), protocol, size, n, draws=draws) for n in numbers]
    seeds = [one for one in found if not one.left_out]
    rows = table_rows(seeds, [ORIGINAL, RETRAINED, FLOOR, *(entry.name for entry in protocol.methods)])
    comparisons, beyond = compared(seeds, rows), excesses(seeds, rows)
    return BenchTable(
        protocol=protocol.name,
        title=protocol.title,
        says=protocol.says,
        size=size,
        seeds=tuple(one.seed for one in seeds),
        interval=interval_words(seeds, draws),
        columns=COLUMNS,
        rows=marked(rows, comparisons),
        comparisons=comparisons,
        notes=notes(protocol, size, found, rows, comparisons, beyond, draws),
        raw=fingerprint(out, protocol, size, draws=draws),
        excesses=beyond,
    )


def courses_of(out: Path, protocol: Protocol, size: str, *, draws: int = 0) -> tuple[dict[str, Course], list[int]]:
    """The courses of a bench of requests in a row, means over its seeds; and these seeds.

    Args:
        out, protocol, size: as for `bench_table`. draws: of the bootstrap.
    """
    numbers = dict.fromkeys([*protocol.seeds, *sorted(_there(out))])
    with threadpool_limits(limits=1):
        found = {n: measure_courses(RawFolder(out / f"{SEED}{n}"), protocol, size, n, draws=draws) for n in numbers}
    seeds = [number for number, rows in found.items() if rows]
    names = found[seeds[0]] if seeds else ()
    return {name: mean_course([found[number][name] for number in seeds]) for name in names}, seeds


def _in_turn(out: Path, protocol: Protocol, forget: Sequence, size: str, draws: int) -> BenchTable:
    courses, seeds = courses_of(out, protocol, size, draws=draws)
    return BenchTable(
        protocol=protocol.name,
        title=protocol.title,
        says=protocol.says,
        size=size,
        seeds=tuple(seeds),
        interval=sequence_interval(seeds, draws),
        columns=columns_of(forget),
        rows=rows_of(courses, forget, seeds),
        comparisons=(),
        notes=sequence_notes(protocol, forget, size),
        raw=fingerprint(out, protocol, size, draws=draws),
    )


def fingerprint(out: Path, protocol: Protocol, size: str, *, draws: int | None = None) -> str:
    """Of all that a table is made from: it tells in a moment whether a table is still the table of its results."""
    draws = draws or enough_draws(protocol)
    settings = [plain(asdict(resolve_method(entry.method, entry.set)[1])) for entry in protocol.methods]
    told = [FORMAT, draws, protocol.model_dump(mode="json"), size, settings]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for path in _files(out):
        digest.update(path.relative_to(out).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def enough_draws(protocol: Protocol) -> int:
    """So many bootstrap draws that every method could be told from the best one."""
    return max(DRAWS, DRAWS_PER_METHOD * len(protocol.methods))


def _there(out: Path) -> Iterable[int]:
    """Seeds that have a folder."""
    names = [path.name.removeprefix(SEED) for path in out.glob(f"{SEED}*") if path.is_dir()]
    return [int(name) for name in names if name.isdecimal()]


def _files(out: Path) -> list[Path]:
    return sorted(path for path in out.glob(f"{SEED}*/*") if path.suffix in (".json", ".npz"))
