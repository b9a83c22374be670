"""What a pre-flight check holds against going on: facts flow in, findings flow out, gravest first.

A finding is a warning (go on, knowing this) or a stop (what comes out would be worth nothing). A clean set has none.
Each says what was found, what it means, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from expunge.evidence.preflight.data import Comparison, Doubt, Preflight
from expunge.evidence.report.words import counted
from expunge.functional.significance import holm

LEVEL = 0.01  # of all comparisons with non-members together
ALIEN = 0.95  # AUROC from which on forget pictures and non-members are two kinds of pictures
STRONG = 0.7  # AUROC of the attack on a model that memorises strongly; what shows only above it, shows too late
FEW_PEOPLE, FEW_PICTURES = 10, 10
SHOWN = 5

Level = Literal["stop", "warning"]
Verdict = Literal["go", "warnings", "stop"]


@dataclass(frozen=True)
class Finding:
    """A finding. `key` is stable, for tests and scripts; `level` also stands in words, not in colour alone."""

    key: str
    level: Level
    title: str
    text: str
    remedy: str

    @property
    def label(self) -> str:
        """The level as a word."""
        return "Stop" if self.level == "stop" else "Caution"


def findings(data: Preflight) -> tuple[Finding, ...]:
    """Everything that is held against going on, stops first."""
    found = [finding for look in _LOOKS for finding in look(data)]
    return tuple(sorted(found, key=lambda finding: finding.level != "stop"))


def verdict(found: Sequence[Finding]) -> Verdict:
    """Go, go with warnings, or stop.

    Example:
        >>> verdict(())
        'go'
    """
    if any(finding.level == "stop" for finding in found):
        return "stop"
    return "warnings" if found else "go"


def _copies_stay(data: Preflight) -> list[Finding]:
    exact, near = (_entries(data, key) for key in ("exact_moved", "near_moved"))
    if not exact and not near:
        return []
    asked = next((o.in_first for o in data.overlaps if (o.first, o.second) == ("forget", "retain")), 0)
    # copies of copies, and several of one picture: the two counts need not agree
    text = f"{counted(asked, 'picture')} of the request {_have(asked)} an exact copy among the pictures that stay: "
    text += f"{counted(len(exact), 'exact copy', 'exact copies')} and {counted(len(near), 'near copy', 'near copies')} "
    text += f"moved to the forget set ({_ids(exact or near)})."
    remedy = "Nothing: they are erased too. Whoever bears another name on them should know."
    return [Finding("copies", "warning", "Copies of erased pictures among those that stay", text, remedy)]


def _copies_waiting(data: Preflight) -> list[Finding]:
    waiting = _entries(data, "near_review")
    if not waiting:
        return []
    same = sum(bool(entry.get("same_subject")) for entry in waiting)
    text = (
        f"{counted(len(waiting), 'picture')} that would stay {'looks' if len(waiting) == 1 else 'look'} like erased "
        f"ones, {same:,} under the same name ({_ids(waiting)}). A model trained on them may go on knowing the erased."
    )
    remedy = "Look at them. Use --near-copies move to erase those of the same name; name others in the request."
    return [Finding("near-copies", "warning", "Near copies for a person to decide on", text, remedy)]


def _copies_dropped(data: Preflight) -> list[Finding]:
    dropped = _entries(data, "dropped")
    if not dropped:
        return []
    where = [f"{sum(e.get('split') == s for e in dropped):,} {s}" for s in ("tuning", "reporting")]
    text = (
        f"{counted(len(dropped), 'non-member')} ({' and '.join(where)}) {_have(len(dropped))} an exact or near copy "
        f"among training pictures or among the other non-members ({_ids(dropped)}); they are left out. Accuracy that "
        "was measured with them flatters the model."
    )
    remedy = "Nothing for the erasure. Mend the splits before comparing accuracies with anybody's."
    return [Finding("leaks", "warning", "Non-members that the model saw, or that steer what they report", text, remedy)]


def _owners(data: Preflight) -> list[Finding]:
    if not data.owners:
        return []
    text = (
        f"{counted(len(data.owners), 'picture')} {'stands' if len(data.owners) == 1 else 'stand'} under several names "
        f"({_pairs(data.owners)}). Erasing one of these people erases the picture for all of them."
    )
    remedy = "Find out whose these are: one person under two names needs both in the request."
    return [Finding("shared-pictures", "warning", "Pictures shared between subjects", text, remedy)]


def _labels(data: Preflight) -> list[Finding]:
    if not data.labels:
        return []
    text = (
        f"{counted(len(data.labels), 'picture')} {'bears' if len(data.labels) == 1 else 'bear'} different labels in "
        f"different places ({_pairs(data.labels)}). No model can be right about all of them."
    )
    return [Finding("label-conflicts", "warning", "Equal pictures with different labels", text, "Mend the labels.")]


def _classes(data: Preflight) -> list[Finding]:
    lost = [f"{c.attribute}={c.name}" for c in data.classes if c.forget and not c.retain]
    halved = [f"{c.attribute}={c.name}" for c in data.classes if c.forget >= c.retain > 0]
    missing = [
        f"{c.attribute}={c.name} ({' and '.join(n for n in ('tuning', 'reporting') if not getattr(c, n))})"
        for c in data.classes
        if c.forget and not (c.tuning and c.reporting)
    ]
    found = []
    if lost:
        text = f"No picture of {_some(lost)} would stay: the erased model has nothing to learn it from."
        remedy = "Decide what the model should answer for such pictures; a retrained reference shows what it would."
        found.append(Finding("class-lost", "warning", "Classes that vanish", text, remedy))
    if halved:
        text = f"At least half of the training pictures of {_some(halved)} would go; its accuracy will suffer."
        remedy = "Expect a retrained model to lose accuracy there too, and compare with one."
        found.append(Finding("class-halved", "warning", "Classes that lose most of their pictures", text, remedy))
    if missing:
        text = (
            f"Forget pictures of classes that non-members lack: {_some(missing)}. Attacks compare unlike with unlike."
        )
        remedy = "Add non-members of these classes, or read membership audits against a retrained reference only."
        found.append(Finding("class-unmatched", "warning", "Classes without non-members", text, remedy))
    return found


def _few(data: Preflight) -> list[Finding]:
    found = []
    for name, use in (("tuning", "steer a method"), ("reporting", "measure")):
        size = data.size("tuning" if name == "tuning" else "reporting")
        if size.pictures < FEW_PICTURES:
            text = f"{counted(size.pictures, f'{name} non-member')} {_is(size.pictures)} left to {use} with."
            remedy = f"Set aside at least {FEW_PICTURES} pictures that the model never saw."
            found.append(Finding(f"few-{name}", "stop", f"Too few {name} non-members", text, remedy))
    few = [f"{s.name} ({s.people})" for s in data.sets if s.people is not None and s.people < FEW_PEOPLE]
    if few:
        text = f"Sets of fewer than {FEW_PEOPLE} people: {', '.join(few)}. Intervals from so few are likely too narrow."
        remedy = "Say nothing about other people from these numbers; collect several requests into one where possible."
        found.append(Finding("few-people", "warning", "Few people", text, remedy))
    return found


def _power(data: Preflight) -> list[Finding]:
    least = data.effect("mia_auroc").least
    if least is not None and least <= STRONG:
        return []
    forget = data.size("forget")
    size = f"{counted(forget.pictures, 'picture')} (worth {forget.independent:.0f} independent ones)"
    shows = "no membership attack, however successful," if least is None else f"only an attack AUROC above {least:.2f}"
    text = f"With a forget set of {size}, {shows} would show. A model that remembers these pictures may look clean."
    remedy = "Do not take a quiet audit for evidence of forgetting; compare losses with a retrained reference."
    return [Finding("little-power", "warning", "Too small to see much", text, remedy)]


def _most(data: Preflight) -> list[Finding]:
    forget, retain = data.size("forget").pictures, data.size("retain").pictures
    if forget <= retain:
        return []
    text = f"{forget:,} of {forget + retain:,} training pictures are to be erased, more than stay."
    remedy = "Retrain: it is the reference anyway, and with so few pictures left it is cheap."
    return [Finding("most-erased", "warning", "Most training pictures would go", text, remedy)]


def _unlike(data: Preflight) -> list[Finding]:
    known = [one for one in data.comparisons if one.p is not None and one.auroc is not None]
    adjusted = holm([one.p for one in known if one.p is not None])
    pairs = zip(known, adjusted, strict=True)
    return [_apart(one, p) for one, p in pairs if p <= LEVEL and one.auroc is not None]


def _apart(one: Comparison, p: float) -> Finding:
    auroc = one.auroc or 0.0
    said = f"A classifier that knows no model tells forget pictures from {one.name} non-members with an AUROC of "
    said += f"{auroc:.2f} on people it has not seen (p = {p:.3g})."
    if auroc >= ALIEN:
        text = f"{said} They are two kinds of pictures: any membership attack would tell them apart, too."
        remedy = "Take non-members from the same source: same camera, crop, size and people of the same kind."
        return Finding(
            f"alien-{one.name}", "stop", f"{one.name.capitalize()} non-members of another kind", text, remedy
        )
    text = f"{said} An attack may succeed because of this difference, with nothing remembered."
    remedy = "Judge membership audits against a retrained reference, never against one half."
    title = f"{one.name.capitalize()} non-members are not quite comparable"
    return Finding(f"unlike-{one.name}", "warning", title, text, remedy)


def _unreadable(data: Preflight) -> list[Finding]:
    if not data.unreadable:
        return []
    text = f"{counted(len(data.unreadable), 'picture')} could not be decoded: {_some(data.unreadable)}."
    remedy = "Mend them: a picture that is not read is neither found as a copy nor erased."
    return [Finding("unreadable", "warning", "Unreadable pictures were left out", text, remedy)]


def _memory(data: Preflight) -> list[Finding]:
    free = data.machine.memory_bytes
    if free is None:
        return []
    large = [cost.method for cost in data.costs if cost.memory_bytes is not None and cost.memory_bytes > free]
    if not large:
        return []
    text = f"More memory than the {free / 2**30:.1f} GiB that are free here would be needed by {_some(large)}."
    return [
        Finding("memory", "warning", "Too little memory", text, "Use --accumulate, smaller batches, or a larger one.")
    ]


_LOOKS: tuple[Callable[[Preflight], list[Finding]], ...] = (
    _copies_stay,
    _copies_waiting,
    _copies_dropped,
    _owners,
    _labels,
    _classes,
    _few,
    _power,
    _most,
    _unlike,
    _unreadable,
    _memory,
)


def _entries(data: Preflight, key: str) -> list[Mapping[str, object]]:
    found = data.copies.get(key, ())
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list | tuple) else []


def _ids(entries: Sequence[Mapping[str, object]]) -> str:
    return _some([str(entry.get("id")) for entry in entries])


def _pairs(doubts: Sequence[Doubt]) -> str:
    return _some([f"{one.ids[0]}: {' and '.join(dict.fromkeys(one.values))}" for one in doubts], "; ")


def _some(names: Sequence[str], by: str = ", ") -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return by.join(names[:SHOWN]) + more


def _have(n: int) -> str:
    return "has" if n == 1 else "have"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"
