"""From an erasure request to an erasure task: who is to be forgotten, which copies go along, who stays.

A request and a data set flow in; a `Resolution` flows out: the task, and everything that was found on the way and that
a person should know. No model enters.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from expunge.data.columns import MOST_LETTERS
from expunge.data.copies import LEAST_SIDE
from expunge.data.dataset import Dataset
from expunge.data.relations import Entry, Found, relate
from expunge.data.requestfile import read_names
from expunge.errors import RequestError
from expunge.types import ErasureTask

Array = np.ndarray[Any, np.dtype[Any]]
NearCopies = Literal["ask", "move", "ignore"]
Progress = Callable[[int, int], None]

UNLABELLED = (
    "Unlabelled pictures of a person are not found: pictures that do not bear the person's name, unless they are "
    "copies of pictures that do."
)
NOT_SEARCHED = "Near copies were not searched for, neither among the pictures that stay nor among the non-members."
NO_OWNERS = "Nobody's name stands beside the pictures, so near copies are only listed: whose they are is not known."


@dataclass(frozen=True)
class ErasureRequest:
    """Who or what is to be erased; an entry given twice counts once.

    Args:
        subjects: names of people (or other owners); all their training pictures are meant.
        pictures: ids of single training pictures.

    Raises:
        RequestError: a single text instead of a list, or an entry that is no name.

    Example:
        >>> ErasureRequest(subjects=("P0120", "P0120")).subjects
        ('P0120',)
    """

    subjects: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("subjects", "pictures"):
            names = getattr(self, field)
            if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
                raise RequestError(field, expected="a list of names", came=repr(names)[:80])
            object.__setattr__(self, field, tuple(dict.fromkeys(map(str, names))))

    @staticmethod
    def from_file(path: str | Path) -> ErasureRequest:
        """Read a request from a file.

        Args:
            path: CSV with a column `subject` or `picture` or both (each line names one of them), or JSON like
                `{"subjects": [...], "pictures": [...]}`.

        Raises:
            RequestError: no such file, another kind, or not readable as such; naming field and line.
        """
        names = read_names(Path(path))
        return ErasureRequest(subjects=names["subjects"], pictures=names["pictures"])


@dataclass(frozen=True)
class RequestFindings:
    """What resolving a request found; plain values, ready for JSON and for the report.

    Args:
        subjects, pictures: how many were asked for.
        forget, retain, tuning, reporting: pictures in each set in the end.
        exact_moved: exact copies moved from the retain to the forget set: `id`, `of`, `owner`.
        near_moved: near copies that moved: also `correlation`.
        near_review: near copies that a person should look at: also `same_subject`.
        dropped: pictures dropped from the non-members: `id`, `of`, `owner`, `split`, `kind` (exact, near).
        sentences: limits of what was found.
    """

    subjects: int
    pictures: int
    forget: int
    retain: int
    tuning: int
    reporting: int
    exact_moved: tuple[Entry, ...]
    near_moved: tuple[Entry, ...]
    near_review: tuple[Entry, ...]
    dropped: tuple[Entry, ...]
    sentences: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)


@dataclass(frozen=True)
class Resolution:
    """The erasure task, and what was found while making it."""

    task: ErasureTask
    findings: RequestFindings


def resolve(
    request: ErasureRequest, dataset: Dataset, *, near_copies: NearCopies = "ask", progress: Progress | None = None
) -> Resolution:
    """Find the pictures that a request means, and their copies.

    - A subject means all its training pictures; its pictures among the non-members stay there, since no model saw them.
    - Exact copies (the same decoded pixels) move from the retain to the forget set, whosesoever name they bear.
    - Near copies that bear the name of the picture they are a copy of move with `move`, together with their own copies;
      with `ask` nothing moves. All others are listed for review, in both cases.
    - Exact and near copies of training pictures are dropped from the non-members: the model did see them. What is
      both a tuning and a reporting non-member is dropped from tuning: nothing steers a method that it is measured on.
    - With `ignore` near copies are not searched for, and a sentence says so.

    Args:
        request: who or what.
        dataset: all pictures with their roles.
        near_copies: `ask`, `move` or `ignore`.
        progress: called as `progress(done, total)` pictures searched for near copies.

    Returns:
        The task, each set in the order of the data, and the findings.

    Raises:
        RequestError: unknown names; nothing or everybody asked for; a subject without training pictures; no
            non-members, or none but copies.

    Example:
        >>> from expunge.data.synthetic import synthetic_faces
        >>> faces = synthetic_faces(12, 4, size=16)
        >>> asked = ErasureRequest(subjects=(str(faces.role("train").subjects[0]),))
        >>> found = resolve(asked, faces, near_copies="ignore")
        >>> len(found.task.forget), found.findings.exact_moved
        (4, ())
    """
    if near_copies not in get_args(NearCopies):
        raise RequestError("near_copies", expected=", ".join(get_args(NearCopies)), came=repr(near_copies))
    roles = dataset.roles
    for role in ("train", "tuning", "reporting"):
        _check_role(dataset, role)
    asked = _asked(request, dataset)
    found = relate(
        dataset.pictures, roles, asked, move=near_copies == "move", near=near_copies != "ignore", progress=progress
    )
    _check_rest(roles == "train", found.forget, "with the copies, ")
    sets = {
        "retain": (roles == "train") & ~found.forget,
        "forget": found.forget,
        **{role: (roles == role) & ~found.dropped for role in ("tuning", "reporting")},
    }
    for role in ("tuning", "reporting"):
        if not sets[role].any():
            came = f"{int((roles == role).sum())} copies of training or reporting pictures and nothing else"
            raise RequestError(role, expected="non-members, pictures that the model never saw", came=came)
    task = ErasureTask(**{name: dataset.pictures.subset(torch.from_numpy(chosen)) for name, chosen in sets.items()})
    return Resolution(task, _findings(request, dataset, task, found, near_copies))


def _findings(
    request: ErasureRequest, dataset: Dataset, task: ErasureTask, found: Found, how: NearCopies
) -> RequestFindings:
    plain = RequestFindings(
        subjects=len(request.subjects),
        pictures=len(request.pictures),
        forget=len(task.forget),
        retain=len(task.retain),
        tuning=len(task.tuning),
        reporting=len(task.reporting),
        exact_moved=tuple(found.exact_moved),
        near_moved=tuple(found.near_moved),
        near_review=tuple(found.near_review),
        dropped=tuple(found.entries_dropped),
        sentences=(UNLABELLED,),
    )
    more = NOT_SEARCHED if how == "ignore" else NO_OWNERS if dataset.pictures.subjects is None else ""
    return replace(plain, sentences=tuple(filter(None, (UNLABELLED, more, *_numbers(plain, task, found)))))


def _numbers(plain: RequestFindings, task: ErasureTask, found: Found) -> list[str]:
    """Sentences that depend on what was found."""
    told = []
    same = sum(bool(entry["same_subject"]) for entry in plain.near_review)
    if same:
        told.append(
            f"{same} of the near copies listed for review bear the name of the picture that they are a copy of; to "
            "erase these too, repeat with --near-copies move."
        )
    if task.forget.subjects is not None and task.tuning.subjects is not None and task.reporting.subjects is not None:
        there = int(
            sum(np.isin(s, task.forget.subjects).sum() for s in (task.tuning.subjects, task.reporting.subjects))
        )
        if there:
            told.append(
                f"{there} pictures among the non-members show subjects of the request; the model never saw these."
            )
    if found.small:
        told.append(
            f"Near copies were not searched for: pictures under {LEAST_SIDE} pixels a side show too little to tell."
        )
    if found.blank:
        told.append(f"{found.blank} pictures are of one colour; only exact copies of these can be found.")
    if found.crowded:
        told.append(f"{found.crowded} pictures look like so many others that near copies of them may have been missed.")
    if found.busy:
        told.append(
            f"{found.busy} pictures have more possible near copies than were compared; the likeliest of each were."
        )
    return told


def _asked(request: ErasureRequest, dataset: Dataset) -> Array:
    """Which training pictures are asked for: bool [n]."""
    if not request.subjects and not request.pictures:
        raise RequestError("request", expected="at least one subject or picture", came="none")
    train = dataset.roles == "train"
    asked = np.zeros(len(dataset), bool)
    for field, names in (("subjects", dataset.pictures.subjects), ("pictures", dataset.pictures.ids)):
        wanted: tuple[str, ...] = getattr(request, field)
        if not wanted:
            continue
        if names is None:
            remedy = "name the column that says who is on a picture with --subject"
            raise RequestError("subjects", expected="data with a subject column", came="none", remedy=remedy)
        _check_known(field, wanted, names)
        _check_trained(field, wanted, names, dataset.roles)
        asked |= train & np.isin(names, wanted)
    _check_rest(train, asked, "")
    return asked


def _check_known(field: str, wanted: Sequence[str], names: Array) -> None:
    known = set(names.tolist())
    unknown = [name for name in wanted if name not in known]
    if unknown:
        # comparing takes time and memory by the length
        close = difflib.get_close_matches(unknown[0][:MOST_LETTERS], sorted(known), n=3)
        remedy = f"did you mean {' or '.join(map(repr, close))} for {unknown[0]!r}?" if close else ""
        raise RequestError(field, expected=f"{field} of the data", came=f"unknown {_some(unknown)}", remedy=remedy)


def _check_trained(field: str, wanted: Sequence[str], names: Array, roles: Array) -> None:
    trained = set(names[roles == "train"].tolist())
    absent = [name for name in wanted if name not in trained]
    if absent:
        there = Counter(roles[names == absent[0]].tolist())
        where = ", ".join(f"{n} {role}" for role, n in sorted(there.items()))
        raise RequestError(
            field,
            expected="training pictures" if field == "pictures" else "subjects with training pictures",
            came=f"{_some(absent)}, of which there are none ({absent[0]!r}: {where})",
            remedy="the model did not learn from these; leave them out of the request",
        )


def _check_rest(train: Array, asked: Array, how: str) -> None:
    if not (train & ~asked).any():
        raise RequestError(
            "request",
            expected="training pictures that stay",
            came=f"{how}a request for all {int(train.sum())} of them",
            remedy="there is nothing to keep: delete the model",
        )


def _check_role(dataset: Dataset, role: str) -> None:
    if (dataset.roles == role).any():
        return
    what = "training pictures" if role == "train" else f"{role} non-members, pictures that the model never saw"
    there = ", ".join(sorted(set(dataset.roles.tolist())))
    raise RequestError(role, expected=what, came=f"only {there}", remedy=f"name their split with --{role}-split")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(map(repr, names[:3]))}{more}"
