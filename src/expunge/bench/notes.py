"""What belongs below a bench table: on what its numbers rest, and what they cannot say. Sentences only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from expunge.bench.cells import Comparison, Excess, Row
from expunge.bench.columns import COLUMNS, MEASURED
from expunge.bench.measured import FLOOR, SeedRows
from expunge.bench.protocol import Forget, Protocol
from expunge.bench.summary import LEVEL, competing, seeds_said
from expunge.evidence.report.words import bounds, number
from expunge.types import SPLITS

MARK = "\N{BLACK STAR}"


def interval_words(seeds: Sequence[SeedRows], draws: int) -> str:
    """What the intervals of the table are."""
    if not seeds:
        return "No seed can be measured yet."
    drawn = f"{draws:,} bootstrap draws of {_drawn(seeds)}"
    if len(seeds) == 1:
        return (
            f"One seed ({seeds[0].seed}). Intervals are 95 % intervals from {drawn}; what another split, other "
            "forgotten people or another training would change is not in them."
        )
    return (
        f"Means over {len(seeds)} seeds ({', '.join(str(one.seed) for one in seeds)}). Intervals are 95 % intervals "
        f"for the mean over seeds (Student's t, n = {len(seeds)} seeds); a seed covers splits, forgotten pictures, "
        "initialisation and order. Seconds and speed-up: median, and range over seeds."
    )


def notes(
    protocol: Protocol,
    size: str,
    found: Sequence[SeedRows],
    rows: Sequence[Row],
    comparisons: Sequence[Comparison],
    excesses: Sequence[Excess],
    draws: int,
) -> tuple[str, ...]:
    """All notes of a table.

    Args:
        protocol, size: of the bench. found: all seeds, also those that cannot be used.
        rows, comparisons, excesses: of the table. draws: of the bootstrap.
    """
    seeds = [one for one in found if not one.left_out]
    said = [_protocol(protocol, size), *_left_out(found), *_references(seeds), *(_sets(one) for one in seeds)]
    said += [*_marks(seeds, rows, comparisons, draws), *_beyond(comparisons, excesses)]
    said += [*_originals(seeds), *_engines(seeds), *_failed(seeds)]
    said += [*_inestimable(rows), *_prices(rows), *dict.fromkeys(text for one in seeds for text in one.caveats)]
    return tuple(said)


def _protocol(protocol: Protocol, size: str) -> str:
    how = protocol.sizes[size]
    return (
        f"Protocol {protocol.name}, size {size}: {how.arch} on pictures of {how.side} x {how.side}, {how.epochs:g} "
        f"epochs, learning rate {how.lr:g}, batches of {how.batch_size}; classes: {', '.join(protocol.data.labels)}. "
        f"Forgotten: {forgotten(protocol.forget)}."
    )


def forgotten(forget: Forget) -> str:
    """Who is forgotten, in words.

    Example:
        >>> forgotten(Forget(kind="count", count=5))
        '5 whole people'
    """
    share = f"{100 * (forget.share or 0):g} % of the training pictures"
    return {
        "people": f"whole people, until {share} are reached",
        "pictures": f"{share}, drawn at random",
        "count": f"{forget.count} whole {'person' if forget.count == 1 else 'people'}",
        "published": "the published forget set",
        "sequence": f"whole people, in every request until {share} are reached",
        "memorised": f"the most memorised people, until {share} are reached",
    }[forget.kind]


def _left_out(found: Sequence[SeedRows]) -> Iterator[str]:
    for reason in dict.fromkeys(one.left_out for one in found if one.left_out):
        where = [one.seed for one in found if one.left_out == reason]
        yield f"Left out: {seeds_said(where)} ({reason})."


def _references(seeds: Sequence[SeedRows]) -> Iterator[str]:
    if not seeds:
        return
    counts: dict[int, list[int]] = {}
    for one in seeds:
        counts.setdefault(len(one.references), []).append(one.seed)
    told = ", ".join(f"{count} for {seeds_said(where)}" for count, where in counts.items())
    yield f"Retrained references: {told}. 'retrained' is the mean over the references of a seed."
    for one in seeds:
        if len(one.references) < one.planned:
            yield f"Seed {one.seed} has {len(one.references)} of {one.planned} references so far."
    paired = [one.seed for one in seeds if len(one.references) > 1]
    if paired:
        yield (
            f"'{FLOOR}' is the distance between two references, mean over pairs, from {seeds_said(paired)}"
            + (" only: the others have one reference." if len(paired) < len(seeds) else ".")
            + " Nothing can be asked to come closer."
        )
    else:
        yield "No seed has two references: how much two retrained models differ (the retrain floor) is not known."


def _sets(one: SeedRows) -> str:
    parts = [
        f"{name} {pictures:,} pictures" + (f" of {people:,} people" if people is not None else "")
        for name, (pictures, people) in ((name, one.sets[name]) for name in SPLITS)
    ]
    return f"Seed {one.seed}: {', '.join(parts)}."


def _marks(
    seeds: Sequence[SeedRows], rows: Sequence[Row], comparisons: Sequence[Comparison], draws: int
) -> Iterator[str]:
    if not comparisons:
        yield "No method is marked as best: that takes two that changed weights and have results on every seed."
        return
    titles = " and ".join(column.title for column in COLUMNS if column.marked)
    ranked = set(competing(seeds, rows))
    yield (
        f"{MARK} and bold, in {titles}: the best method and all that are not significantly worse (bootstrap over "
        f"{_drawn(seeds)} of the difference{' in the mean over seeds' if len(seeds) > 1 else ''}, paired, {draws:,} "
        f"draws, two-sided, Holm over {len(ranked) - 1} comparisons at {LEVEL:g}). The test draws {_drawn(seeds)}, not "
        "trainings: it does not say what another run with another seed would give."
    )
    if 2 / (draws + 1) * (len(ranked) - 1) > LEVEL:
        yield f"Caution: {draws:,} draws are too few to find any difference significant among so many comparisons."
    aside = [row.name for row in rows if row.kind == "method" and row.name not in ranked]
    if aside:
        yield f"Not compared, for a seed is missing or no weight was changed: {_named(aside)}."


def _beyond(comparisons: Sequence[Comparison], excesses: Sequence[Excess]) -> Iterator[str]:
    """Of methods that are marked in a column, or of the one that there is."""
    for column in COLUMNS:
        worse = {one.other for one in comparisons if one.column == column.name and one.p_holm <= LEVEL}
        told = [one for one in excesses if one.column == column.name and one.method not in worse]
        if told:
            values = (f"'{one.method}' {number(one.value, '')} ({bounds(one.low, one.high, '')})" for one in told)
            yield f"{column.title} beyond the retrain floor, paired, {seeds_said(told[0].seeds)}: {'; '.join(values)}."


def _drawn(seeds: Sequence[SeedRows]) -> str:
    known = {people is not None for one in seeds for _, people in one.sets.values()}
    return "people" if known == {True} else "pictures" if known == {False} else "people (pictures where unknown)"


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _originals(seeds: Sequence[SeedRows]) -> Iterator[str]:
    for one in seeds:
        hashes: dict[str, list[str]] = {}
        for name, facts in one.facts.items():
            weights = facts.get("weights") if facts["kind"] == "original" else facts.get("original")
            if weights:
                hashes.setdefault(str(weights), []).append(name)
        if len(hashes) > 1:
            told = "; ".join(f"{key[:12]}: {_named(names)}" for key, names in hashes.items())
            yield (
                f"Caution, seed {one.seed}: rows come from different originals, which were trained alike on different "
                f"machines or versions. Weights {told}."
            )


def _engines(seeds: Sequence[SeedRows]) -> Iterator[str]:
    used: dict[str, set[int]] = {}
    threads = set()
    for one in seeds:
        for facts in one.facts.values():
            engine: Mapping[str, object] = facts["engine"]
            words = f"{engine.get('device')} {engine.get('precision')}, channels_last {engine.get('channels_last')}"
            used.setdefault(words, set()).add(one.seed)
            threads |= {engine.get("threads")} if facts["kind"] == "method" else set()
    if len(used) == 1:
        yield f"Computed on {next(iter(used))}."
    elif used:
        told = "; ".join(f"{words} ({seeds_said(sorted(where))})" for words, where in sorted(used.items()))
        yield f"Caution: rows were computed in different ways, so that their seconds cannot be compared: {told}."
    if len(threads) > 1:
        yield f"Caution: methods ran on {_listed(threads)} threads; compare their speed-ups, not their seconds."


def _listed(values: Collection[object]) -> str:
    return " and ".join(sorted(map(str, values)))


def _failed(seeds: Sequence[SeedRows]) -> Iterator[str]:
    for one in seeds:
        for name, row in one.rows.items():
            if row.state == "failed":
                yield f"Failed: '{name}' on seed {one.seed}: {' '.join(row.reason.split())}"


def _inestimable(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        for column in COLUMNS if row.kind == "retrained" and row.seeds else ():
            if column.name in MEASURED and row.cells[column.name].why_not:
                yield f"No {column.title}: {row.cells[column.name].why_not}."


def _prices(rows: Sequence[Row]) -> Iterator[str]:
    if any(row.kind == "method" and row.seeds for row in rows):
        yield (
            "A speed-up compares a method with retraining in its own process. The seconds of 'retrained' are those of "
            "the trainings themselves, maybe under another load, and are not what speed-ups are taken from."
        )
