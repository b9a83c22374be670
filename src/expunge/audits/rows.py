"""Estimates as audit rows: rounded, with intervals, beside the mean of the references.

Estimates with their paired draws flow in, `AuditRow`s flow out. What is measured is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from expunge.audits.registry import AUDITS
from expunge.audits.statistics import Estimate, Estimates, Key
from expunge.functional.stats import interval, mean_of
from expunge.types import AuditRow

Array = np.ndarray[Any, np.dtype[Any]]
DIGITS = 9


@dataclass(frozen=True)
class RowsBeside:
    """The same measurements of several models.

    Args:
        before: of the model before unlearning; empty where it was not given.
        after: of the audited model.
        references: of each reference, its `reference` being the mean of the others.
    """

    before: tuple[AuditRow, ...]
    after: tuple[AuditRow, ...]
    references: tuple[tuple[AuditRow, ...], ...]


def rows_beside(before: Estimates | None, after: Estimates, references: Sequence[Estimates]) -> RowsBeside:
    """Every estimate of every model as a row, beside the references."""

    def rows(found: Estimates, others: Sequence[Estimates]) -> tuple[AuditRow, ...]:
        return tuple(row_of(key, estimate, [o[key] for o in others if key in o]) for key, estimate in found.items())

    others = [[other for other in references if other is not each] for each in references]
    return RowsBeside(
        before=() if before is None else rows(before, references),
        after=rows(after, references),
        references=tuple(rows(each, rest) for each, rest in zip(references, others, strict=True)),
    )


def row_of(key: Key, estimate: Estimate, references: Sequence[Estimate]) -> AuditRow:
    """A registered value with its interval, beside the mean of the references' and the paired gap to it."""
    known = AUDITS[key.name]
    values = estimate.values
    low, high = (None, None) if values is None else _interval(values)
    beside = [r.values for r in references if r.values is not None]
    row = AuditRow(
        name=key.name,
        split=key.split,
        value=None if values is None else _rounded(values[0]),
        low=_rounded(low),
        high=_rounded(high),
        n=estimate.n,
        subjects=estimate.subjects,
        unit=known.unit,
        direction=known.direction,
        note=estimate.why_not,
    )
    if values is None or not beside:
        return row
    reference = mean_of(beside)
    gap_low, gap_high = _interval(values - reference)
    return AuditRow(
        **{
            **asdict(row),
            "reference": _rounded(reference[0]),
            "gap": _rounded(values[0] - reference[0]),
            "gap_low": _rounded(gap_low),
            "gap_high": _rounded(gap_high),
            "gap_error": _rounded(np.nanstd((values - reference)[1:])),
        }
    )


def _interval(values: Array) -> tuple[float, float]:
    """Of an estimate and its draws. Resampling pushes absolute values up; none leaves its own interval for that."""
    low, high = interval(values[1:])
    return min(low, float(values[0])), max(high, float(values[0]))


def _rounded(value: float | np.floating[Any] | None) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), DIGITS)
