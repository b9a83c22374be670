"""What the audit is shown where an attack of its own is compared with that of an independent implementation."""

from __future__ import annotations

import numpy as np

from expunge.audits.observe import Observation, Seen
from expunge.types import SPLITS, LabelSpec


def asked_about(logits: np.ndarray, labels: np.ndarray) -> Observation:
    """Answers to four classes: the first half of the pictures is the forget set, the others are non-members."""
    middle = len(labels) // 2
    forget, others = (_seen(logits[at], labels[at], at.start) for at in (slice(0, middle), slice(middle, len(labels))))
    return {split: forget if split == "forget" else others for split in SPLITS}


def _seen(logits: np.ndarray, labels: np.ndarray, first: int) -> Seen:
    """Answers to pictures of people who are on two each."""
    n, spec = len(labels), LabelSpec(("label",), (tuple("0123"),))
    ids, owners = (np.array([f"{what}-{(first + i) // of}" for i in range(n)]) for what, of in (("p", 1), ("s", 2)))
    nothing = np.zeros(n)
    return Seen(ids, owners, labels[:, None], logits, nothing, nothing, nothing, None, spec)
