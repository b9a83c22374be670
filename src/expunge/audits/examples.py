"""Losses and hits of every picture under every model, side by side: what a figure or a doubting reader needs.

Observations flow in, one table of arrays flows out. It names pictures, so it is never part of a report's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from expunge.audits.observe import Observation
from expunge.audits.resampling import check_comparable
from expunge.types import SPLITS

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Examples:
    """n pictures of all splits, one row each.

    Args:
        ids: picture ids. split: name of the set that each picture is in.
        losses: float64 [n] in nats, by model: `before`, `after`, `reference-1`, ...
        hits: float64 [n] in 0..1, by model.
    """

    ids: Array
    split: Array
    losses: Mapping[str, Array]
    hits: Mapping[str, Array]


def examples(before: Observation | None, after: Observation, references: Sequence[Observation]) -> Examples:
    """Every picture's loss and hits under the models that were observed.

    Raises:
        DataError: the models were shown different pictures.
    """
    models = {} if before is None else {"before": before}
    models |= {"after": after} | {f"reference-{i}": seen for i, seen in enumerate(references, start=1)}
    check_comparable(list(models.values()))
    return Examples(
        ids=np.concatenate([after[name].ids for name in SPLITS]),
        split=np.concatenate([np.full(len(after[name].ids), name) for name in SPLITS]),
        losses={model: np.concatenate([seen[name].losses for name in SPLITS]) for model, seen in models.items()},
        hits={model: np.concatenate([seen[name].hits for name in SPLITS]) for model, seen in models.items()},
    )
