"""What copies do to the sets of an erasure task: which pictures move to the forget set, which leave the non-members.

Pictures with roles and the pictures asked for flow in; flags per picture and a list of everything found flow out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from expunge.data.copies import LEAST_SIDE, NearCopy, exact_groups, near_copies
from expunge.types import PictureSet

Array = np.ndarray[Any, np.dtype[Any]]
Progress = Callable[[int, int], None]
Entry = Mapping[str, object]


@dataclass
class Found:
    """What was found.

    Args:
        forget: bool [n], pictures to forget: those asked for and the copies that moved.
        dropped: bool [n], pictures that cannot be non-members.
        exact_moved, near_moved, near_review, entries_dropped: one entry for each picture.
        blank, crowded, busy: where near copies may have been missed; see `NearCopies`.
        small: whether they were not searched for at all, since the pictures are too small to tell.
    """

    forget: Array
    dropped: Array
    exact_moved: list[Entry] = field(default_factory=list)
    near_moved: list[Entry] = field(default_factory=list)
    near_review: list[Entry] = field(default_factory=list)
    entries_dropped: list[Entry] = field(default_factory=list)
    blank: int = 0
    crowded: int = 0
    busy: int = 0
    small: bool = False


def relate(
    pictures: PictureSet, roles: Array, asked: Array, *, move: bool, near: bool, progress: Progress | None = None
) -> Found:
    """Find all copies that matter for a request.

    Args:
        pictures: all pictures.
        roles: n of `train`, `tuning`, `reporting`, `unused`.
        asked: bool [n], the training pictures asked for.
        move: whether near copies of the same subject move.
        near: whether near copies are searched for at all.
        progress: called as `progress(done, total)`.
    """
    work = _Work(pictures, roles, asked)
    work.move_exact(np.flatnonzero(asked))
    work.drop_exact()
    work.found.small = near and min(pictures.pixels(torch.tensor([0])).shape[-2:]) < LEAST_SIDE
    if near and not work.found.small:
        work.near(move=move, progress=progress)
    return work.found


class _Work:
    """The sets while copies are being sorted into them."""

    def __init__(self, pictures: PictureSet, roles: Array, asked: Array) -> None:
        self.pictures, self.roles = pictures, roles
        self.groups = exact_groups(pictures)
        order = np.argsort(self.groups, kind="stable")
        self.found = Found(asked.copy(), np.zeros(len(roles), bool))
        # whose erasure each forget picture belongs to: exact copies bear other names, but lead no further
        self.owned = asked.copy()
        self._members = order, np.searchsorted(self.groups[order], np.arange(len(roles) + 1))

    def members(self, group: int) -> Array:
        """Positions of the pictures with the same pixels."""
        order, starts = self._members
        chosen: Array = order[starts[group] : starts[group + 1]]
        return chosen

    def entry(self, at: int, of: int, **more: object) -> Entry:
        owners = self.pictures.subjects
        owner = "" if owners is None else str(owners[at])
        return {"id": str(self.pictures.ids[at]), "of": str(self.pictures.ids[of]), "owner": owner, **more}

    def move_exact(self, sources: Iterable[int]) -> None:
        """Training pictures with the same pixels go where `sources` went."""
        for of in sources:
            for at in self.members(int(self.groups[of])).tolist():
                if self.roles[at] == "train" and not self.found.forget[at]:
                    self.found.forget[at] = True
                    self.found.exact_moved.append(self.entry(at, int(of)))

    def drop_exact(self) -> None:
        """What is also a training picture, or among reporting pictures, is no non-member (for tuning)."""
        for keeping, losing in (("train", "reporting"), ("train", "tuning"), ("reporting", "tuning")):
            held = np.flatnonzero((self.roles == keeping) & ~self.found.dropped)
            first = np.full(len(self.roles), -1)
            first[self.groups[held[::-1]]] = held[::-1]
            for at in np.flatnonzero((self.roles == losing) & ~self.found.dropped & (first[self.groups] >= 0)).tolist():
                self._drop(at, int(first[self.groups[at]]), kind="exact")

    def _drop(self, at: int, of: int, **more: object) -> None:
        if not self.found.dropped[at]:
            self.found.dropped[at] = True
            self.found.entries_dropped.append(self.entry(at, of, split=str(self.roles[at]), **more))

    def near(self, *, move: bool, progress: Progress | None) -> None:
        """Near copies: first of everything that matters, then of pictures that moved because of them."""
        alive = np.isin(self.roles, ("train", "tuning", "reporting")) & ~self.found.dropped
        targets = alive & (self.found.forget | (self.roles != "train"))
        pairs = self._search(self._representatives(targets), self._representatives(alive), progress)
        self.found.blank, self.found.crowded, self.found.busy = pairs[1:]
        self._drop_near(pairs[0])
        known = pairs[0]
        while move:
            moved = self._move_near(known)
            if not moved:
                break
            stay = self._representatives((self.roles == "train") & ~self.found.forget)
            known = known + self._search(np.array(sorted(moved)), stay, None)[0]
        self._list_near(known)

    def _representatives(self, chosen: Array) -> Array:
        """One position for each group of equal pictures. After exact copies moved, all of a group play one part."""
        at = np.flatnonzero(chosen)
        representatives: Array = at[np.unique(self.groups[at], return_index=True)[1]]
        return np.sort(representatives)

    def _search(self, targets: Array, others: Array, progress: Progress | None) -> tuple[list[NearCopy], int, int, int]:
        """Near copies by positions in all pictures; how many pictures were blank, crowded, busy."""
        part = np.select([self.found.forget, self.roles == "train", self.roles == "tuning"], [0, 1, 2], 3)
        sets = (self.pictures.subset(torch.from_numpy(at)) for at in (targets, others))
        found = near_copies(*sets, apart=(part[targets], part[others]), progress=progress)
        pairs = [
            NearCopy(int(targets[p.first]), int(others[p.second]), p.bits, p.correlation, p.mirrored)
            for p in found.pairs
        ]
        return pairs, found.blank, found.crowded, found.busy

    def _drop_near(self, pairs: list[NearCopy]) -> None:
        """Non-members that are near copies of training pictures, then tuning ones of reporting ones that are left."""
        for keeping, losing in (("train", "reporting"), ("train", "tuning"), ("reporting", "tuning")):
            for pair, of, at in self._between(pairs, keeping, losing):
                if not self.found.dropped[of]:
                    for one in self.members(int(self.groups[at])).tolist():
                        if self.roles[one] == losing:
                            self._drop(one, of, kind="near", correlation=round(pair.correlation, 3))

    def _between(self, pairs: list[NearCopy], keeping: str, losing: str) -> list[tuple[NearCopy, int, int]]:
        turned = [(p, one, other) for p in pairs for one, other in ((p.first, p.second), (p.second, p.first))]
        return sorted(
            (t for t in turned if self.roles[t[1]] == keeping and self.roles[t[2]] == losing),
            key=lambda t: (t[2], -t[0].correlation, t[1]),
        )

    def _open(self, pairs: list[NearCopy]) -> list[tuple[NearCopy, int, int, bool]]:
        """Near copies that still stay, with what they are a copy of and whether it bears the same name; best first."""
        found = []
        for pair in pairs:
            if self.found.forget[pair.first] and self.roles[pair.second] == "train":
                owned = [i for i in self.members(int(self.groups[pair.first])).tolist() if self.owned[i]]
                for at in self.members(int(self.groups[pair.second])).tolist():
                    if self.roles[at] == "train" and not self.found.forget[at]:
                        same = [i for i in owned if self._same_subject(i, at)]
                        found.append((pair, at, (same or owned)[0], bool(same)))
        return sorted(found, key=lambda one: (not one[3], -one[0].correlation, one[1], one[2]))

    def _same_subject(self, one: int, other: int) -> bool:
        owners = self.pictures.subjects
        return owners is not None and bool(owners[one] == owners[other])

    def _move_near(self, pairs: list[NearCopy]) -> list[int]:
        """Move what bears the same name, then what equals it whatever its name; one position for each moved group."""
        moved = []
        for pair, at, of, same in self._open(pairs):
            if same and not self.found.forget[at]:
                self.found.forget[at] = self.owned[at] = True
                moved.append(at)
                entry = self.entry(at, of, correlation=round(pair.correlation, 3))
                self.found.near_moved.append(entry)
        # only now: of equal pictures, those with the right name have moved by themselves
        self.move_exact(moved)
        return sorted({int(self.groups[at]): at for at in reversed(moved)}.values())

    def _list_near(self, pairs: list[NearCopy]) -> None:
        """Everything that still looks like a forget picture, each picture once."""
        seen: set[int] = set()
        for pair, at, of, same in self._open(pairs):
            if at not in seen:
                seen.add(at)
                entry = self.entry(at, of, correlation=round(pair.correlation, 3), same_subject=same)
                self.found.near_review.append(entry)
