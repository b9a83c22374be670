"""What a pre-flight check is made of: counts, names and estimates, so that it can be judged and shown anywhere.

Everything flows in finished; nothing here computes. No picture, no model and no file may enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SetSize:
    """One of the sets, after copies were moved and dropped.

    Args:
        name: forget, retain, tuning or reporting.
        pictures: how many.
        people: how many; None where nobody knows.
        independent: how many independent pictures say as much as these pictures of people do.
        before: how many pictures before copies were moved and dropped.
    """

    name: str
    pictures: int
    people: int | None
    independent: float
    before: int


@dataclass(frozen=True)
class Overlap:
    """Pictures that stand in two sets, before anything was moved or dropped.

    Args:
        first, second: names of the sets.
        in_first, in_second: pictures of each that have an equal one in the other.
        different: how many different pictures these are.
        outcome: what happens to them.
    """

    first: str
    second: str
    in_first: int
    in_second: int
    different: int
    outcome: str


@dataclass(frozen=True)
class Doubt:
    """Equal pictures of which the data say different things.

    Args:
        column: the label column; empty where it is whose picture it is.
        ids: of the pictures.
        values: what the column says of each.
    """

    column: str
    ids: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Class:
    """Pictures of one class of one attribute in each set."""

    attribute: str
    name: str
    forget: int
    retain: int
    tuning: int
    reporting: int


@dataclass(frozen=True)
class Effect:
    """The smallest effect that an audit would show.

    Args:
        audit: registered name of the audit value.
        least: the effect; None where nothing would show (then `note` says why).
        meaning: what the number is.
        note: a sentence for the reader.
    """

    audit: str
    least: float | None
    meaning: str
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """How well forget pictures and non-members are told apart by a classifier that knows no model.

    Args:
        name: tuning or reporting.
        auroc: of held-out scores, 0..1; None where it was not possible (then `note` says why).
        p: of the AUROC, by exchanging people.
        pictures: compared.
        note: a sentence for the reader.
    """

    name: str
    auroc: float | None
    p: float | None
    pictures: int
    note: str = ""


@dataclass(frozen=True)
class Cost:
    """What a method will take here.

    Args:
        method: its name.
        epochs: epoch-equivalents over the retain set; an upper bound where a rule may stop it early.
        seconds: None where it cannot be said (then `note` says why).
        memory_bytes: at least this much; None where it cannot be said.
        note: a sentence for the reader.
    """

    method: str
    epochs: float | None
    seconds: float | None
    memory_bytes: int | None
    note: str = ""


@dataclass(frozen=True)
class Machine:
    """Where the costs were measured.

    Args:
        device: as torch names it.
        threads: CPU threads.
        memory_bytes: free on the device; None where nobody knows.
        epoch_seconds: of one plain training epoch over the retain set; None where it could not be measured.
    """

    device: str
    threads: int
    memory_bytes: int | None
    epoch_seconds: float | None


@dataclass(frozen=True)
class Preflight:
    """Everything found before anything is trained.

    Args:
        request: subjects and pictures asked for, by kind.
        sets: the four sets, forget set first.
        overlaps: equal pictures across sets.
        labels, owners: equal pictures with several labels, and with several owners.
        copies: what resolving the request found, as plain values (see `RequestFindings`).
        classes: of every attribute.
        effects: of every audit.
        comparisons: forget set against non-members.
        costs: of every method.
        machine: where these were measured.
        unreadable: one line for each picture that was left out.
    """

    request: Mapping[str, int]
    sets: tuple[SetSize, ...]
    overlaps: tuple[Overlap, ...]
    labels: tuple[Doubt, ...]
    owners: tuple[Doubt, ...]
    copies: Mapping[str, object]
    classes: tuple[Class, ...]
    effects: tuple[Effect, ...]
    comparisons: tuple[Comparison, ...]
    costs: tuple[Cost, ...]
    machine: Machine
    unreadable: tuple[str, ...] = ()

    def size(self, name: Literal["forget", "retain", "tuning", "reporting"]) -> SetSize:
        """One of the sets by its name."""
        return next(one for one in self.sets if one.name == name)

    def effect(self, audit: str) -> Effect:
        """The smallest effect of one audit by its name."""
        return next(one for one in self.effects if one.audit == audit)
