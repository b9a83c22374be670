"""What models answered, as the repository keeps it, and how audits read it again.

Of every picture a model's log odds of the label are kept, in half precision, and whether it was right. That is all that
the judged attacks on one label look at: the loss follows from the odds. Neither pictures nor labels nor names are kept;
people are numbers. What other attacks read off whole answers is measured before these are gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from expunge.audits.observe import Observation, Seen
from expunge.audits.shadows import log_odds
from expunge.types import SPLITS, LabelSpec, Split
from harness import RESULTS

PLACE = RESULTS / "calibration" / "answers"
SPEC = LabelSpec(("label",), (("its own", "any other"),))
Array = np.ndarray[Any, np.dtype[Any]]


def file_of(seed: int, *model: str | int) -> Path:
    """Where the answers of a model (kind, number) lie; without one, where it is told who is on the pictures."""
    return PLACE / f"{'-'.join(map(str, (seed, *model)))}.npz"


def people(observation: Mapping[Split, Seen]) -> dict[str, Array]:
    """Who is on each picture, as numbers: what is the same for all models of a seed."""
    names = np.concatenate([_subjects(observation[split]) for split in SPLITS])
    numbers = np.unique(names, return_inverse=True)[1].astype(np.int32)
    ends = np.cumsum([len(observation[split].ids) for split in SPLITS])[:-1]
    return dict(zip(SPLITS, np.split(numbers, ends), strict=True))


def compact(observation: Mapping[Split, Seen], splits: Sequence[Split] = SPLITS) -> dict[str, Array]:
    """Log odds float16 [n], and right guesses as bits, of the pictures of `splits` in turn."""
    odds = [log_odds(s.logits, s.labels, s.spec.sizes)[:, 0] for s in map(observation.__getitem__, splits)]
    right = np.concatenate([observation[split].hits > 0.5 for split in splits])
    return {"odds": np.concatenate(odds).astype(np.float16), "right": np.packbits(right)}


def read(file: Path) -> dict[str, Array]:
    """All arrays of a file."""
    with np.load(file, allow_pickle=False) as found:
        return dict(found)


@cache
def who(seed: int) -> dict[str, Array]:
    """`people` of a seed, as it was kept."""
    return read(file_of(seed))


def answers_of(seed: int, kind: str, number: int) -> Observation:
    """What a model answered."""
    return observation(read(file_of(seed, kind, number)), who(seed))


def observation(kept: Mapping[str, Array], subjects: Mapping[str, Array]) -> Observation:
    """What `compact` kept of all sets, for audits: answers of two classes, its own label's and any other's."""
    counts = [len(subjects[split]) for split in SPLITS]
    ends = np.cumsum(counts)[:-1]
    odds = np.split(kept["odds"].astype(np.float64), ends)
    right = np.split(np.unpackbits(kept["right"], count=sum(counts)).astype(np.float64), ends)
    ids = np.split(np.arange(sum(counts)), ends)
    return {
        split: Seen(
            ids=ids[i],
            subjects=subjects[split],
            labels=np.zeros((counts[i], 1), dtype=np.int64),
            logits=np.stack([odds[i], np.zeros(counts[i])], axis=1).astype(np.float32),
            losses=np.logaddexp(0.0, -odds[i]),
            hits=right[i],
            hits_of_two=np.full(counts[i], np.nan),
            features=None,
            spec=SPEC,
        )
        for i, split in enumerate(SPLITS)
    }


def _subjects(seen: Seen) -> Array:
    assert seen.subjects is not None
    return seen.subjects
