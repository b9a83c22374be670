"""Observations of models that do not exist: logits, losses and features drawn from normal distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from expunge.audits.observe import Observation, Seen
from expunge.types import SPLITS, LabelSpec, Split

Array = np.ndarray[Any, np.dtype[Any]]
SPEC = LabelSpec(("label",), (("0", "1"),))


def seen(split: Split, n: int, shift: float, *, seed: int, far: float = 1.0) -> Seen:
    """Logits whose log odds of label 0 are normal around `shift`; features normal around 0 with deviation `far`."""
    made = np.random.default_rng([seed, SPLITS.index(split)])
    log_odds = made.normal(shift, 1.0, n)
    return Seen(
        ids=np.array([f"{split}-{i}" for i in range(n)]),
        subjects=np.array([f"{split}-{i // 4}" for i in range(n)]),
        labels=np.zeros((n, 1), np.int64),
        logits=np.stack([log_odds, np.zeros(n)], axis=1).astype(np.float32),
        losses=np.logaddexp(0, -log_odds),
        hits=(log_odds > 0).astype(float),
        hits_of_two=np.full(n, np.nan),
        features=(far * made.normal(size=(n, 2))).astype(np.float32),
        spec=SPEC,
    )


def model(shift: float = 0.0, *, seed: int = 0, n: int = 1200, far: float = 1.0) -> Observation:
    """A model that is surer of forget pictures by `shift`, and holds them `far` from their centre."""
    return {
        split: seen(split, n, shift * (split == "forget"), seed=seed, far=far if split == "forget" else 1.0)
        for split in SPLITS
    }
