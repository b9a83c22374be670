"""What the raw rows of one seed say: every row measured with the same bootstrap weights, or why it is not.

Raw results flow in, values with their draws flow out. All rows of a seed are paired: the same people are drawn for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from expunge.audits.closeness import CLOSENESS, floor_of
from expunge.audits.observe import Observation
from expunge.audits.resampling import Weights, caveats, check_comparable, resampled_subjects, resampling
from expunge.audits.statistics import Estimates, estimates
from expunge.bench.columns import MEASURED
from expunge.bench.jobs import ORIGINAL, REFERENCE, Job, asked
from expunge.bench.protocol import Entry, Protocol
from expunge.bench.raw import RawFolder
from expunge.functional.stats import mean_of
from expunge.methods.cost import Sizes
from expunge.methods.registry import resolve_method
from expunge.types import SPLITS, TrainRecipe

Array = np.ndarray[Any, np.dtype[Any]]
State = Literal["done", "failed", "missing"]
RETRAINED, FLOOR, NOT_RUN = "retrained", "retrain floor", "not run"
NO_REFERENCE = "no retrained reference is there"


@dataclass(frozen=True)
class Measured:
    """One row of one seed.

    Args:
        state: whether there are values. reason: why not; "" where there are.
        values: column to estimate and draws, float64 [1 + draws].
        why_not: columns that cannot be estimated, and why.
        facts: what was told about the row, e.g. `seconds`.
    """

    state: State
    reason: str = ""
    values: Mapping[str, Array] = field(default_factory=dict)
    why_not: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SeedRows:
    """One seed.

    Args:
        rows: by name; empty where the seed cannot be used.
        left_out: why it cannot be used; "" where it can.
        references: names of the references that are there. planned: how many the protocol asks for.
        sets: pictures, and people where these are resampled, of each of the four sets.
        caveats: on too few people.
        facts: of everything that was read, by name.
    """

    seed: int
    rows: Mapping[str, Measured]
    planned: int
    left_out: str = ""
    references: tuple[str, ...] = ()
    sets: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def measure_seed(raw: RawFolder, protocol: Protocol, size: str, seed: int, *, draws: int) -> SeedRows:
    """Measure all rows of a seed.

    Args:
        raw: its results. protocol, size, seed: which. draws: of the bootstrap.

    Raises:
        DataError: results that cannot be read.
    """
    planned = protocol.reference_count(seed)
    reader = _Reader(raw, protocol, size, seed)
    numbered = {f"{REFERENCE}{i}": reader.told(f"{REFERENCE}{i}", "reference") for i in range(1, planned + 1)}
    references = {name: told for name, told in numbered.items() if told.state == "done"}
    if not references:
        return SeedRows(seed, {}, planned, left_out=NO_REFERENCE)
    seen = {name: raw.observation(name) for name in references}
    first = next(iter(seen.values()))
    check_comparable([first])
    weights = resampling(first, draws=draws, seed=seed)
    yardstick = _Yardstick(
        weights,
        [estimates(one, weights) for one in seen.values()],
        [float(told.facts["seconds"]) for told in references.values()],
    )
    told = {ORIGINAL: reader.told(ORIGINAL, "original")}
    sets: dict[str, tuple[int, int | None]] = {
        name: (len(first[name].ids), resampled_subjects(first[name])) for name in SPLITS
    }
    recipe = TrainRecipe(epochs=protocol.sizes[size].epochs)
    sizes = Sizes(sets["retain"][0], sets["forget"][0], sets["tuning"][0], recipe)
    told |= {entry.name: with_work(reader.told(entry.name, "method"), entry, sizes) for entry in protocol.methods}
    rows = {name: yardstick.measured(raw, name, row) for name, row in told.items()}
    return SeedRows(
        seed=seed,
        rows={ORIGINAL: rows.pop(ORIGINAL), RETRAINED: yardstick.mean(recipe.epochs), FLOOR: yardstick.floor(), **rows},
        planned=planned,
        references=tuple(references),
        sets=sets,
        caveats=tuple(caveats(first)),
        facts={name: row.facts for name, row in (told | references).items() if row.facts},
    )


def with_work(told: Measured, entry: Entry, sizes: Sizes) -> Measured:
    """With the work of the method on sets of these sizes among its facts, in epochs over the retain set."""
    if told.state != "done":
        return told
    method, config = resolve_method(entry.method, entry.set)
    return replace(told, facts={**told.facts, "work": method.cost(config, sizes).epochs(sizes.retain)})


@dataclass(frozen=True)
class _Reader:
    """Tells whether a row is there, and was made as this protocol asks now."""

    raw: RawFolder
    protocol: Protocol
    size: str
    seed: int

    def told(self, row: str, kind: Literal["original", "reference", "method"]) -> Measured:
        found, task = self.raw.told(row), self.raw.task()
        if found is None or task is None:
            return Measured("missing", NOT_RUN)
        job = Job(self.protocol.name, self.size, self.seed, kind, row)
        if found["asked"] != asked(job, self.protocol) or found["task"] != task["key"]:
            return Measured("missing", f"{NOT_RUN} (there is a result made with other settings or other pictures)")
        if "failed" in found:
            return Measured("failed", str(found["failed"]), facts=found)
        return Measured("done", facts=found)


@dataclass(frozen=True)
class _Yardstick:
    """The weights of a seed and its references, against which every row is held."""

    weights: Weights
    references: list[Estimates]
    seconds: list[float]

    def measured(self, raw: RawFolder, name: str, told: Measured) -> Measured:
        if told.state != "done":
            return told
        return self._measured(raw.observation(name), told.facts)

    def _measured(self, seen: Observation, facts: Mapping[str, Any]) -> Measured:
        ours = estimates(seen, self.weights)
        close = {name: measure(ours, self.references) for name, measure in CLOSENESS.items()}
        named = {column: ours[key] for column, key in MEASURED.items()} | close
        return Measured(
            "done",
            values={column: found.values for column, found in named.items() if found.values is not None},
            why_not={column: found.why_not for column, found in named.items() if found.values is None},
            facts=facts,
        )

    def mean(self, epochs: float) -> Measured:
        """The references, mean over them draw by draw; of so many epochs."""
        values, why_not = {}, {}
        for column, key in MEASURED.items():
            parts = [reference[key] for reference in self.references]
            known = [part.values for part in parts if part.values is not None]
            if known:
                values[column] = mean_of(known)
            else:
                why_not[column] = parts[0].why_not
        return Measured(
            "done", values=values, why_not=why_not, facts={"seconds": float(np.mean(self.seconds)), "work": epochs}
        )

    def floor(self) -> Measured:
        """The references against each other."""
        found = {name: part.values for name, part in floor_of(self.references).items() if part.values is not None}
        return Measured("done", values=found) if found else Measured("missing", "needs two references")
