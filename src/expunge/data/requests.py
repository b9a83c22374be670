"""From an erasure request to an erasure task: who is to be forgotten, which copies go along, who stays.

A request and a data set flow in; a `Resolution` flows out: the task, and everything that was found on the way and that
a person should know. No model enters.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from expunge.data.copies import exact_copies, near_copies
from expunge.data.dataset import Dataset
from expunge.data.hashing import Hashes, perceptual_hashes
from expunge.data.requestfile import read_csv, read_json
from expunge.errors import DataError, RequestError
from expunge.types import ErasureTask, PictureSet

NearCopies = Literal["ask", "move", "ignore"]
UNLABELLED = (
    "Pictures of a person that do not bear the person's name are not found, unless they are copies of pictures that do."
)
CROWDED = "Some pictures look so alike (blank ones, for instance) that near copies among them were not searched for."
NOT_SEARCHED = "Near copies were not searched for (--near-copies ignore)."


@dataclass(frozen=True)
class ErasureRequest:
    """Who or what is to be erased.

    Args:
        subjects: names of people (or other owners); all their training pictures are meant.
        pictures: ids of single pictures.

    Example:
        >>> ErasureRequest(subjects=("P0120",)).subjects
        ('P0120',)
    """

    subjects: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()

    @staticmethod
    def from_file(path: str | Path) -> ErasureRequest:
        """Read a request: CSV with a column `subject` or `picture` (or both), or JSON with lists of these names.

        Raises:
            RequestError: no such file, another kind, or not readable as such; naming the line.
        """
        place = Path(path)
        if not place.is_file():
            raise RequestError("request", expected="a CSV or JSON file", came=f"{place}, which is not there")
        readers = {".json": read_json, ".csv": read_csv}
        if place.suffix.lower() in readers:
            return ErasureRequest(*readers[place.suffix.lower()](place))
        raise RequestError("request", expected="a file ending in .csv or .json", came=place.name)


@dataclass(frozen=True)
class RequestFindings:
    """What resolving a request found; plain values, ready for JSON and for the report.

    Args:
        subjects, pictures: how many were asked for.
        forget, retain, tuning, reporting: pictures in each set in the end.
        exact_moved: exact copies moved from the retain to the forget set: `id`, `of`, `owner`.
        near_moved, near_review: near copies that moved, or that a person should look at: also `correlation`.
        dropped: pictures dropped from the non-members: `id`, `of`, `split`, `kind`.
        sentences: limits of what was found.
    """

    subjects: int
    pictures: int
    forget: int
    retain: int
    tuning: int
    reporting: int
    exact_moved: tuple[Mapping[str, object], ...]
    near_moved: tuple[Mapping[str, object], ...]
    near_review: tuple[Mapping[str, object], ...]
    dropped: tuple[Mapping[str, object], ...]
    sentences: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)


@dataclass(frozen=True)
class Resolution:
    """The erasure task, and what was found while making it."""

    task: ErasureTask
    findings: RequestFindings


def resolve(request: ErasureRequest, dataset: Dataset, *, near_copies: NearCopies = "ask") -> Resolution:
    """Find the pictures that a request means, and their copies.

    Exact copies (the same decoded pixels) always move from the retain to the forget set, whosesoever name they bear.
    Near copies of the same subject move with `move` and are listed for review with `ask`; those under another name are
    always only listed. Copies of training pictures among the non-members are dropped from these, since the model did
    see them; a picture that is both tuning and reporting non-member is dropped from tuning.

    Args:
        request: who or what.
        dataset: all pictures with their roles.
        near_copies: `ask`, `move`, or `ignore` (do not search).

    Raises:
        RequestError: unknown names, nothing or everybody asked for, nobody with training pictures, no non-members.
    """
    search = near_copies != "ignore"
    hashes = _hashes(dataset) if search else None
    train = _train(dataset)
    tuning, reporting = (_non_members(dataset, role) for role in ("tuning", "reporting"))
    asked = _asked(request, dataset, train)
    exact, asked = _move_exact(train, asked)
    near_moved, near_review, asked, crowded = _move_near(train, asked, near_copies, hashes)
    _check_rest(asked)
    dropped_reporting, reporting, c1 = _drop(train, reporting, "reporting", hashes)
    dropped_tuning, tuning, c2 = _drop(train, tuning, "tuning", hashes)
    dropped_both, tuning, c3 = _drop(reporting, tuning, "tuning", hashes)
    for role, left in (("tuning", tuning), ("reporting", reporting)):
        if not len(left):
            raise RequestError(role, expected="non-members that are no copies of training pictures", came="none")
    task = ErasureTask(train.subset(torch.from_numpy(~asked)), train.subset(torch.from_numpy(asked)), tuning, reporting)
    findings = RequestFindings(
        subjects=len(set(request.subjects)),
        pictures=len(set(request.pictures)),
        forget=len(task.forget),
        retain=len(task.retain),
        tuning=len(tuning),
        reporting=len(reporting),
        exact_moved=tuple(exact),
        near_moved=tuple(near_moved),
        near_review=tuple(near_review),
        dropped=(*dropped_tuning, *dropped_both, *dropped_reporting),
        sentences=(
            UNLABELLED,
            *((NOT_SEARCHED,) if not search else ()),
            *((CROWDED,) if crowded + c1 + c2 + c3 else ()),
        ),
    )
    return Resolution(task, findings)


def _hashes(dataset: Dataset) -> Hashes:
    """Hashes of every row of the store, so that they are computed once for all comparisons."""
    everything = dataset.pictures
    n = int(everything.rows.max()) + 1 if len(everything) else 0
    found, rows = perceptual_hashes(everything), everything.rows.numpy()
    spread = [np.zeros(n, np.uint64) for _ in range(2)]
    for target, values in zip(spread, (found.plain, found.mirrored), strict=True):
        target[rows] = values
    return Hashes(*spread)


def _asked(request: ErasureRequest, dataset: Dataset, train: PictureSet) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which training pictures are asked for: bool [n]."""
    if not request.subjects and not request.pictures:
        raise RequestError("request", expected="at least one subject or picture", came="none")
    asked = np.zeros(len(train), bool)
    if request.subjects:
        everyone, ours = dataset.pictures.subjects, train.subjects
        if everyone is None or ours is None:
            raise RequestError(
                "subjects", expected="a subject column in the data", came="none", remedy="name it with --subject"
            )
        _check_known("subjects", request.subjects, everyone)
        _check_trained("subjects", request.subjects, ours)
        asked |= np.isin(ours, request.subjects)
    if request.pictures:
        _check_known("pictures", request.pictures, dataset.pictures.ids)
        _check_trained("pictures", request.pictures, train.ids)
        asked |= np.isin(train.ids, request.pictures)
    _check_rest(asked)
    return asked


def _check_known(field: str, names: Sequence[str], known: Iterable[str]) -> None:
    there = set(known)
    unknown = [name for name in dict.fromkeys(names) if name not in there]
    if unknown:
        near = difflib.get_close_matches(unknown[0], sorted(there), n=3)
        remedy = f"close to {unknown[0]!r} are {', '.join(near)}" if near else ""
        raise RequestError(field, expected=f"{field} of the data", came=_listed(unknown, "unknown"), remedy=remedy)


def _check_trained(field: str, names: Sequence[str], trained: Iterable[str]) -> None:
    there = set(trained)
    absent = [name for name in dict.fromkeys(names) if name not in there]
    if absent:
        raise RequestError(
            field,
            expected=f"{field} with training pictures",
            came=_listed(absent, "not among the training pictures"),
            remedy="the model never learned them; leave them out of the request",
        )


def _check_rest(asked: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    if asked.all():
        raise RequestError(
            "request",
            expected="some training pictures that stay",
            came=f"a request for all {len(asked)}",
            remedy="delete the model instead",
        )


def _move_exact(
    train: PictureSet, asked: np.ndarray[Any, np.dtype[np.bool_]]
) -> tuple[list[Mapping[str, object]], np.ndarray[Any, np.dtype[np.bool_]]]:
    forget, rest = np.flatnonzero(asked), np.flatnonzero(~asked)
    found = exact_copies(train.subset(torch.from_numpy(forget)), train.subset(torch.from_numpy(rest)))
    moved = asked.copy()
    moved[rest[[second for _, second in found]]] = True
    return [_pair(train, rest[b], train, forget[a]) for a, b in found], moved


def _move_near(
    train: PictureSet, asked: np.ndarray[Any, np.dtype[np.bool_]], how: NearCopies, hashes: Hashes | None
) -> tuple[list[Mapping[str, object]], list[Mapping[str, object]], np.ndarray[Any, np.dtype[np.bool_]], int]:
    if hashes is None:
        return [], [], asked, 0
    forget, rest = np.flatnonzero(asked), np.flatnonzero(~asked)
    found = near_copies(train.subset(torch.from_numpy(forget)), train.subset(torch.from_numpy(rest)), hashes=hashes)
    moved: list[Mapping[str, object]] = []
    review: list[tuple[int, Mapping[str, object]]] = []
    now = asked.copy()
    for pair in found.pairs:
        ours, theirs = rest[pair.second], forget[pair.first]
        entry = {**_pair(train, ours, train, theirs), "correlation": round(pair.correlation, 3)}
        same = train.subjects is not None and train.subjects[ours] == train.subjects[theirs]
        if same and how == "move":
            now[ours] = True
            moved.append(entry)
        else:
            review.append((ours, entry))
    return moved, [entry for at, entry in review if not now[at]], now, found.crowded


def _drop(
    seen: PictureSet, others: PictureSet, split: str, hashes: Hashes | None
) -> tuple[list[Mapping[str, object]], PictureSet, int]:
    """Drop from `others` what is a copy of a picture in `seen`."""
    exact = exact_copies(seen, others)
    gone = {b: {**_pair(others, b, seen, a), "split": split, "kind": "exact"} for a, b in exact}
    crowded = 0
    if hashes is not None:
        found = near_copies(seen, others, hashes=hashes)
        crowded = found.crowded
        for pair in found.pairs:
            gone.setdefault(
                pair.second, {**_pair(others, pair.second, seen, pair.first), "split": split, "kind": "near"}
            )
    keep = np.ones(len(others), bool)
    keep[list(gone)] = False
    return [gone[b] for b in sorted(gone)], others.subset(torch.from_numpy(keep)), crowded


def _pair(ours: PictureSet, at: Any, theirs: PictureSet, of: Any) -> dict[str, object]:
    owner = "" if ours.subjects is None else str(ours.subjects[at])
    return {"id": str(ours.ids[at]), "of": str(theirs.ids[of]), "owner": owner}


def _train(dataset: Dataset) -> PictureSet:
    try:
        return dataset.role("train")
    except DataError as error:
        raise RequestError("train", expected="training pictures", came=error.came) from None


def _non_members(dataset: Dataset, role: str) -> PictureSet:
    try:
        return dataset.role(role)
    except DataError as error:
        raise RequestError(
            role,
            expected=f"{role} non-members, pictures that the model never saw",
            came=error.came,
            remedy=f"name their split with --{role}-split",
        ) from None


def _listed(names: Sequence[str], what: str) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what}: {', '.join(map(repr, names[:3]))}{more}"
