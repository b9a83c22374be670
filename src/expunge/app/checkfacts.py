"""The facts of a pre-flight check that follow from pictures and request alone: sets, copies, classes, comparability.

A data set and a resolved request flow in, the counts and lists of `evidence.preflight` flow out. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from expunge.data.copies import exact_groups
from expunge.data.dataset import Dataset
from expunge.data.handmade import handmade_features
from expunge.data.requests import Resolution
from expunge.data.sharing import contradictions, overlaps
from expunge.evidence.preflight import Class, Comparison, Doubt, Overlap, SetSize
from expunge.functional.power import effective_size
from expunge.functional.seeding import derive_seed
from expunge.functional.twosample import two_sample
from expunge.types import SPLITS, ErasureTask, PictureSet, Split

Array = np.ndarray[Any, np.dtype[Any]]
Parts = Mapping[str, Array]
UNSEEN: tuple[Split, ...] = ("tuning", "reporting")
ORDER: tuple[Split, ...] = ("forget", "retain", *UNSEEN)
COMPARED = 2000  # pictures of a side; more would sharpen a verdict that is about people
OUTCOMES: Mapping[tuple[str, str], str] = {
    ("forget", "retain"): "moved to the forget set",
    ("forget", "tuning"): "left out of tuning",
    ("forget", "reporting"): "left out of reporting",
    ("retain", "tuning"): "left out of tuning",
    ("retain", "reporting"): "left out of reporting",
    ("tuning", "reporting"): "left out of tuning",
}


def asked_parts(data: Dataset, resolution: Resolution) -> Parts:
    """The four sets as the request and the splits have them, before copies are moved or dropped: bool [n] each."""
    findings = resolution.findings
    moved = {str(entry["id"]) for entry in (*findings.exact_moved, *findings.near_moved)}
    asked = [one for one in resolution.task.forget.ids.tolist() if one not in moved]
    forget = np.isin(data.pictures.ids, asked)
    return {
        "forget": forget,
        "retain": (data.roles == "train") & ~forget,
        "tuning": data.roles == "tuning",
        "reporting": data.roles == "reporting",
    }


@dataclass(frozen=True)
class Repeats:
    """Which pictures of a data set are equal.

    Args:
        data: all pictures.
        groups: int64 by row of the store, equal numbers for equal pictures.
    """

    data: Dataset
    groups: Array

    @staticmethod
    def of(data: Dataset) -> Repeats:
        """Found once, by decoded pixels."""
        groups = np.empty(len(data.store), np.int64)
        groups[data.pictures.rows.numpy()] = exact_groups(data.pictures)
        return Repeats(data, groups)

    def within(self, pictures: PictureSet) -> Array:
        """The groups of some of the pictures."""
        found: Array = self.groups[pictures.rows.numpy()]
        return found

    def different(self, pictures: PictureSet) -> PictureSet:
        """The first of every equal ones: a picture that stands twice says nothing twice."""
        return pictures.subset(torch.from_numpy(np.sort(np.unique(self.within(pictures), return_index=True)[1])))


def set_sizes(task: ErasureTask, parts: Parts, repeats: Repeats) -> tuple[SetSize, ...]:
    """Pictures and people of every set."""
    return tuple(_size(name, task.split(name), int(parts[name].sum()), repeats) for name in ORDER)


def across_sets(repeats: Repeats, parts: Parts) -> tuple[Overlap, ...]:
    """Equal pictures of two sets, and what becomes of them."""
    return tuple(
        Overlap(o.first, o.second, o.in_first, o.in_second, o.different, OUTCOMES[o.first, o.second])
        for o in overlaps(repeats.within(repeats.data.pictures), parts)
    )


def label_doubts(repeats: Repeats, parts: Parts) -> tuple[Doubt, ...]:
    """Equal pictures with several labels; pictures without a role play no part."""
    pictures = _used(repeats.data, parts)
    named = zip(pictures.spec.names, pictures.spec.classes, pictures.labels.numpy().T, strict=True)
    return tuple(
        doubt for name, classes, codes in named for doubt in _doubts(name, np.array(classes)[codes], pictures, repeats)
    )


def owner_doubts(repeats: Repeats, parts: Parts) -> tuple[Doubt, ...]:
    """Equal pictures of several owners; none where nobody knows the owners."""
    pictures = _used(repeats.data, parts)
    return () if pictures.subjects is None else tuple(_doubts("", pictures.subjects, pictures, repeats))


def class_balance(task: ErasureTask) -> tuple[Class, ...]:
    """How many pictures of each class every set has."""
    spec = task.retain.spec
    found = []
    for column, (attribute, classes) in enumerate(zip(spec.names, spec.classes, strict=True)):
        counts = {
            name: np.bincount(task.split(name).labels[:, column].numpy(), minlength=len(classes)) for name in SPLITS
        }
        found += [
            Class(attribute, one, **{name: int(count[code]) for name, count in counts.items()})
            for code, one in enumerate(classes)
        ]
    return tuple(found)


def comparisons(task: ErasureTask, repeats: Repeats, *, seed: int) -> tuple[Comparison, ...]:
    """Forget pictures against either kind of non-members, by features that no training made."""
    forget = _features(repeats.different(task.forget), derive_seed(seed, "comparison", "forget"))
    return tuple(
        _compared(name, forget, _features(repeats.different(task.split(name)), start), start)
        for name, start in ((one, derive_seed(seed, "comparison", one)) for one in UNSEEN)
    )


@dataclass(frozen=True)
class _Featured:
    """Features of some pictures of a set, float [n, d], and their owners [n]; None where nobody knows them."""

    features: Array
    owners: Array | None


def _features(pictures: PictureSet, seed: int) -> _Featured:
    if len(pictures) > COMPARED:
        chosen = np.random.default_rng(seed).choice(len(pictures), COMPARED, replace=False)
        pictures = pictures.subset(torch.from_numpy(np.sort(chosen)))
    return _Featured(handmade_features(pictures), pictures.subjects)


def _compared(name: str, forget: _Featured, others: _Featured, seed: int) -> Comparison:
    features = np.r_[forget.features, others.features]
    side = np.arange(len(features)) < len(forget.features)
    known = forget.owners is not None and others.owners is not None
    owners = np.r_[forget.owners, others.owners] if known else np.arange(len(side))
    try:
        found = two_sample(features, side, owners, seed=seed)
    except ValueError as error:
        return Comparison(name, None, None, len(side), f"not comparable: {error}")
    note = "" if known else "pictures were taken for strangers: nobody knows who is on them"
    return Comparison(name, found.auroc, found.p, len(side), note)


def _size(name: Split, pictures: PictureSet, before: int, repeats: Repeats) -> SetSize:
    different = repeats.different(pictures)
    if pictures.subjects is None or different.subjects is None:
        return SetSize(name, len(pictures), None, float(len(different)), before)
    counts = np.unique(different.subjects, return_counts=True)[1]
    people = len(np.unique(pictures.subjects))
    return SetSize(name, len(pictures), people, effective_size(counts.tolist()), before)


def _used(data: Dataset, parts: Parts) -> PictureSet:
    return data.pictures.subset(torch.from_numpy(np.any(list(parts.values()), axis=0)))


def _doubts(column: str, values: Array, pictures: PictureSet, repeats: Repeats) -> list[Doubt]:
    found = contradictions(repeats.within(pictures), values, pictures.ids)
    return [Doubt(column, one.ids, one.values) for one in found]
