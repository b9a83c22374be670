"""Puts the page of a pre-flight check together: facts and findings flow in, one self-contained HTML text flows out.

The same look, the same escaping and the same ban on scripts and outside addresses as in the report of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from expunge.evidence.preflight.data import Class, Comparison, Cost, Doubt, Effect, Overlap, Preflight, SetSize
from expunge.evidence.preflight.findings import Finding, verdict
from expunge.evidence.report.findings import FoundTable, found
from expunge.evidence.report.words import counted, spoken_time
from expunge.functional.power import ALIKE

DASH = "\N{EM DASH}"
VERDICTS = {
    "go": "Go: nothing was found that speaks against it.",
    "warnings": "Go, knowing these warnings.",
    "stop": "Stop: what would come out is worth nothing until this is mended.",
}
LISTED = 1000  # entries of a list; all of them are in the JSON beside the page
Row = tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """A table as text. The first cell of a row names it."""

    key: str
    caption: str
    columns: Row
    rows: tuple[Row, ...]


def check_page(data: Preflight, findings: Sequence[Finding]) -> str:
    """The page as text; the same facts give the same text."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("expunge.evidence.preflight"), PackageLoader("expunge.evidence.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(counted=counted)
    copies = found(data.copies)
    return environment.get_template("check.html").render(
        data=data,
        alike=ALIKE,
        findings=findings,
        verdict=told(findings),
        tables={table.key: table for table in shown_tables(data)},
        lists=[shortened(table) for table in (*copies.tables, *_doubts(data)) if table.rows],
        sentences=copies.sentences,
    )


def told(findings: Sequence[Finding]) -> str:
    """The verdict as a sentence."""
    return VERDICTS[verdict(findings)]


def shown_tables(data: Preflight) -> tuple[Shown, ...]:
    """All facts but the lists of single pictures."""
    return (
        Shown(
            "sets",
            "The sets after copies were moved and dropped. Independent: how many different pictures of strangers "
            "would say as much.",
            ("Set", "Pictures", "People", "Independent", "Change by copies"),
            tuple(map(_set, data.sets)),
        ),
        Shown(
            "overlaps",
            "Pictures that stand in two sets, pixel for pixel, as the data came.",
            ("Sets", "Of the first", "Of the second", "Different pictures", "What happens"),
            tuple(map(_overlap, data.overlaps)),
        ),
        Shown(
            "classes",
            "Pictures of each class, and their share of the set.",
            ("Class", *(one.name.capitalize() for one in data.sets)),
            tuple(_class(one, data) for one in data.classes),
        ),
        Shown(
            "effects",
            "The smallest effect that each audit would show, with a probability of 80 % at a two-sided level of .05.",
            ("Audit", "Smallest effect", "What it is"),
            tuple(map(_effect, data.effects)),
        ),
        Shown(
            "comparisons",
            "Forget pictures told from non-members by a classifier that knows no model.",
            ("Non-members", "Pictures", "AUROC", "p", "Remark"),
            tuple(map(_comparison, data.comparisons)),
        ),
        Shown(
            "costs",
            "What each method would take here: upper bounds where a rule may stop it early, the least memory.",
            ("Method", "Epochs", "Time", "Memory", "Remark"),
            tuple(map(_cost, data.costs)),
        ),
    )


def shortened(table: FoundTable) -> FoundTable:
    """The head of a list that would make the page too long to open, saying what is left out."""
    if len(table.rows) <= LISTED:
        return table
    says = f"{table.says} Shown are the first {LISTED:,}; all of them are in check.json."
    return FoundTable(table.title, says.strip(), table.columns, table.rows[:LISTED])


def _set(one: SetSize) -> Row:
    """Name, pictures, people, independent pictures, what copies changed."""
    change = one.pictures - one.before
    people = "unknown" if one.people is None else f"{one.people:,}"
    return one.name, f"{one.pictures:,}", people, f"{one.independent:,.0f}", f"{change:+,}" if change else "none"


def _overlap(one: Overlap) -> Row:
    """Which sets, pictures of either, different pictures, what happens."""
    return f"{one.first} and {one.second}", f"{one.in_first:,}", f"{one.in_second:,}", f"{one.different:,}", one.outcome


def _class(one: Class, data: Preflight) -> Row:
    """Class, then count and share of each set."""
    sets = {size.name: size.pictures for size in data.sets}
    counts = {name: int(getattr(one, name)) for name in sets}
    return f"{one.attribute}: {one.name}", *(
        f"{count:,} ({100 * count / max(1, sets[name]):.0f} %)" for name, count in counts.items()
    )


def _effect(one: Effect) -> Row:
    """Audit, smallest effect, what that is."""
    return one.audit, DASH if one.least is None else f"{one.least:.3f}", one.note or one.meaning


def _comparison(one: Comparison) -> Row:
    """Which non-members, pictures, AUROC, p, remark."""
    auroc, p = (DASH if value is None else f"{value:.3g}" for value in (one.auroc, one.p))
    return one.name, f"{one.pictures:,}", auroc, p, one.note


def _cost(one: Cost) -> Row:
    """Method, epochs, time, memory, remark."""
    epochs = DASH if one.epochs is None else f"{one.epochs:.2f}"
    seconds = DASH if one.seconds is None else spoken_time(one.seconds)
    memory = DASH if one.memory_bytes is None else f"{one.memory_bytes / 2**30:.2f} GiB"
    return one.method, epochs, seconds, memory, one.note


def _doubts(data: Preflight) -> list[FoundTable]:
    labels = ("Equal pictures with different labels", "No model can be right about all of them.")
    owners = ("Pictures shared between subjects", "The same picture under several names.")
    return [_doubt_table(*labels, data.labels), _doubt_table(*owners, data.owners)]


def _doubt_table(title: str, says: str, doubts: Sequence[Doubt]) -> FoundTable:
    rows = tuple((", ".join(one.ids), one.column or "subject", ", ".join(dict.fromkeys(one.values))) for one in doubts)
    return FoundTable(f"{title}: {len(rows):,}", says, ("Pictures", "Column", "Values"), rows)
