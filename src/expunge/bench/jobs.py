"""The pieces of work of a bench, one row of raw results each, and whether they are done already.

A protocol flows in, plain `Job`s flow out that another process can do. Nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from expunge.bench.protocol import Entry, Memorised, Protocol, Sequence, read_protocol
from expunge.bench.raw import RawFolder
from expunge.bench.tasks import key_of
from expunge.methods.registry import resolve_method

ORIGINAL, UNTRAINED, REFERENCE = "original", "untrained", "reference-"
AFTER = ", request "
FORMAT = 1  # of a row's key: raised where the same configuration would give other numbers


@dataclass(frozen=True)
class Place:
    """Where a bench reads and writes.

    Args:
        data: file of pictures. cache: folder of decoded pictures and of models.
        out: folder of raw results and tables of this protocol and size.
    """

    data: Path
    cache: Path
    out: Path

    def raw(self, seed: int) -> RawFolder:
        """Raw results of a seed."""
        return RawFolder(self.out / f"seed-{seed}")


@dataclass(frozen=True)
class Job:
    """One row of one seed.

    Args:
        protocol: name or path. size: name of one of its sizes. seed: of the protocol.
        kind: what to do.
        row: `original`, `reference-1`, `untrained`, or the name of an entry. Where requests come in a sequence,
            there is a raw row for each, see `after`.
    """

    protocol: str
    size: str
    seed: int
    kind: Literal["original", "reference", "untrained", "method", "sequence"]
    row: str


def plan(protocol: Protocol, name: str, size: str, seeds: Iterable[int], rows: Iterable[str]) -> list[list[Job]]:
    """All jobs in stages: what a stage needs was done by the one before it.

    Args:
        protocol: as read from `name`. size: of the protocol. seeds: which. rows: names of method rows.
    """
    first = [Job(name, size, seed, "original", ORIGINAL) for seed in seeds]
    then: list[Job] = []
    for seed in seeds:
        kind: Literal["method", "sequence"] = "sequence" if isinstance(protocol.forget, Sequence) else "method"
        then += [Job(name, size, seed, "reference", row) for row in reference_rows(protocol, seed)]
        then += [Job(name, size, seed, "untrained", UNTRAINED)]
        then += [Job(name, size, seed, kind, row) for row in rows]
    return [first, then]


def after(row: str, request: int) -> str:
    """The raw row of a model after so many requests of a sequence.

    Example:
        >>> after("finetune", 3)
        'finetune, request 3'
    """
    return f"{row}{AFTER}{request}"


def reference_rows(protocol: Protocol, seed: int) -> list[str]:
    """Rows of all references of a seed."""
    rows = [f"{REFERENCE}{number}" for number in range(1, protocol.reference_count(seed) + 1)]
    if not isinstance(protocol.forget, Sequence):
        return rows
    return [after(row, request) for request in protocol.forget.retrained for row in rows]


def reference_of(row: str) -> tuple[int, int | None]:
    """Number of a reference (1, 2 ...), and after which request of a sequence it was retrained."""
    name, _, request = row.partition(AFTER)
    return int(name.removeprefix(REFERENCE)), int(request) if request else None


def done(job: Job, place: Place, *, retry: bool = False) -> bool:
    """Whether the row is there and was asked for in the same way; with `retry` a failed one does not count."""
    forget = read_protocol(job.protocol).forget
    last = after(job.row, forget.requests) if job.kind == "sequence" and isinstance(forget, Sequence) else job.row
    told = place.raw(job.seed).told(last)
    return told is not None and told["asked"] == asked(job) and not (retry and "failed" in told)


def asked(job: Job, protocol: Protocol | None = None) -> str:
    """Hash of the configuration of a row: protocol (read where not given), size, seed, method with every setting."""
    protocol = protocol or read_protocol(job.protocol)
    said = {"data": protocol.data, "forget": protocol.forget, "size": protocol.sizes[job.size]}
    # defaults are left out: a field that protocols learn later leaves the keys of older rows as they are
    parts: dict[str, Any] = {name: part.model_dump(exclude_defaults=True) for name, part in said.items()}
    parts |= {"format": FORMAT, "seed": job.seed, "kind": job.kind}
    if isinstance(protocol.forget, Memorised):
        parts["scores"] = protocol.forget.by_person()
    if job.kind == "reference":
        parts["row"] = job.row
    if job.kind in ("method", "sequence"):
        entry = entry_of(protocol, job.row)
        method, config = resolve_method(entry.method, entry.set)
        parts |= {"method": method.name, "config": asdict(config)}
    return key_of(**parts)


def entry_of(protocol: Protocol, row: str) -> Entry:
    """The entry of a protocol by the name of its row."""
    return next(entry for entry in protocol.methods if entry.name == row)
