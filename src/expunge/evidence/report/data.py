"""What a report is made of: numbers, arrays and strings, so that a report can be rendered, kept and tested anywhere.

Everything flows in finished and measured; nothing here computes. No model, no tensor and no file may enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from expunge.types import AuditRow

Array = np.ndarray[Any, np.dtype[Any]]
Plain = Mapping[str, object]


@dataclass(frozen=True)
class ModelView:
    """What one model answered, for the figures.

    Args:
        forget_losses: loss of each forget picture, float [n], nats.
        reporting_losses: loss of each reporting non-member, float [m], nats.
        features: penultimate features of some pictures, float [s, d], or None; the same pictures, in the same
            order, for every model.
    """

    forget_losses: Array
    reporting_losses: Array
    features: Array | None = None


@dataclass(frozen=True)
class PhaseLine:
    """One phase of the method, as the engine recorded it.

    Args:
        name, kind: of the phase, e.g. `distance`, `Train`.
        steps: optimizer steps.
        reason: why it ended: `complete`, `stopped` (by its own rule) or `budget`.
        seconds: wall-clock time.
        model_seconds: the part of it spent computing.
        pictures: pictures read.
    """

    name: str
    kind: str
    steps: int
    reason: str
    seconds: float
    model_seconds: float = 0.0
    pictures: int = 0


@dataclass(frozen=True)
class ProbePoint:
    """What the method saw when it looked at its own progress, on tuning pictures only.

    Args:
        phase: name of the phase.
        step: optimizer step within the phase.
        values: what was measured; `target`, where there is one, is what the other values should come to.
    """

    phase: str
    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class PicturePair:
    """A training picture and what the method made of it.

    Args:
        original, perturbed: uint8 [H, W, 3], [H, W, 1] or [H, W], the same shape.
        caption: a few words; no name of a person.
    """

    original: Array
    perturbed: Array
    caption: str = ""


@dataclass(frozen=True)
class PersonLine:
    """An owner of erased pictures.

    Args:
        name: as it is to be shown; a pseudonym unless names were asked for.
        asked: how many of their pictures the request means.
        copies: how many are erased only because they are copies of such pictures.
    """

    name: str
    asked: int
    copies: int


@dataclass(frozen=True)
class RequestLine:
    """A request as a ledger knows it; days as texts, e.g. `2026-03-01`.

    Args:
        number: its id.
        received, due: when it came in, and by when it must be answered.
        extended: whether `due` was moved.
        state: `open`, `closed` or `withdrawn`.
    """

    number: int
    received: str
    due: str
    extended: bool
    state: str


@dataclass(frozen=True)
class Costs:
    """Where the time went, in seconds; None where it was not measured.

    Args:
        method: making the model forget.
        reference: training one reference, where one was trained in this run.
        audit: measuring.
        total: the whole run.
    """

    method: float
    reference: float | None = None
    audit: float | None = None
    total: float | None = None


@dataclass(frozen=True)
class ReportData:
    """All that a report says.

    Args:
        run_id: what identifies the run, e.g. its key.
        title: heading of the report.
        method: name of the method, e.g. `dlfd:paper`.
        method_summary, method_cost, method_fails: what it does, what it costs, when it fails; a sentence each.
        request: what was asked, plain values by name; lists of ids are shown in full.
        requests: the same as a ledger knows it; empty where none was named.
        people: whose pictures were erased; empty where nobody's name stands beside the pictures.
        names_shown: whether people, pictures and files bear their own names on the page.
        findings: what resolving the request found, plain values by name: lists of ids or of mappings (`id`, `of`,
            `owner`, ...), counts, sentences. Names that the report knows get a heading and an explanation.
        rows_before, rows_after: audits of the original and of the unlearned model.
        rows_references: audits of each retrained reference; empty where there is none.
        rows_floor: distances between two references in `gap`, else in `value`; one row a pair or their mean.
        before, after, reference: arrays for the figures.
        changed: whether any weight differs from the original.
        budget_hit: `max_seconds` or `max_steps` where the budget ended the method, else "".
        created: when, as text; "" leaves it out.
        feature_classes: int [s], class of each picture in `features`.
        feature_forget: bool [s], which of them are forget pictures; None where unknown.
        class_names: names of the classes of `feature_classes`.
        pairs: perturbed pictures beside originals; empty unless pictures may be shown.
        pairs_reason: why there are none; a default sentence where empty.
        phases, probes: what the method did.
        settings, versions, hashes: everything needed to repeat the run; nested settings are written with dots.
        costs: time.
        verdict: of the audits, as `metrics.json` holds it; None where none was made.
        audit: as `metrics.json` holds it; its curves, people and groups are shown.
        attestation: id (hash of the file) of the signed attestation; "" where there is none.
        descriptions: a sentence for audits that the report does not know, by name.
        warnings: what must not be missed of this erasure, with what to do about it, a sentence each.
        unmeasured: what was not measured, a sentence each.
        notes: more sentences on limits.
    """

    run_id: str
    title: str
    method: str
    method_summary: str
    request: Plain
    findings: Plain
    rows_before: Sequence[AuditRow]
    rows_after: Sequence[AuditRow]
    before: ModelView
    after: ModelView
    changed: bool
    costs: Costs
    rows_references: Sequence[Sequence[AuditRow]] = ()
    rows_floor: Sequence[AuditRow] = ()
    reference: ModelView | None = None
    method_cost: str = ""
    method_fails: str = ""
    requests: Sequence[RequestLine] = ()
    people: Sequence[PersonLine] = ()
    names_shown: bool = False
    verdict: Plain | None = None
    audit: Plain = field(default_factory=dict)
    attestation: str = ""
    warnings: Sequence[str] = ()
    unmeasured: Sequence[str] = ()
    budget_hit: str = ""
    created: str = ""
    feature_classes: Array | None = None
    feature_forget: Array | None = None
    class_names: Sequence[str] = ()
    pairs: Sequence[PicturePair] = ()
    pairs_reason: str = ""
    phases: Sequence[PhaseLine] = ()
    probes: Sequence[ProbePoint] = ()
    settings: Plain = field(default_factory=dict)
    versions: Plain = field(default_factory=dict)
    hashes: Plain = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def has_reference(self) -> bool:
        """Whether anything can be said against retraining."""
        return len(self.rows_references) > 0
