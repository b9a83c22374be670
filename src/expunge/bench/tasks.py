"""From a protocol and a seed to an erasure task: splits drawn, people chosen, exact copies taken care of.

Configuration and pictures flow in, an `ErasureTask` flows out. Which method will be tried on it is not known here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from expunge.app.measure import plain
from expunge.app.resolve import without_erased
from expunge.bench.protocol import Forget, Memorised, Protocol, Sequence, Size
from expunge.data.dataset import Dataset, assemble
from expunge.data.published import published_columns, published_forget
from expunge.data.requests import ErasureRequest, RequestFindings, Resolution, resolve
from expunge.data.sources import DataSpec, read_dataset
from expunge.data.splits import draw_forget_people, draw_roles, until_share
from expunge.data.store import PictureStore
from expunge.errors import InputError
from expunge.types import Augmentation, ErasureTask, Optimizer, PictureSet, TrainRecipe

ORIGINAL, REFERENCE, SEED_STEP = 1, 101, 1000


@dataclass(frozen=True)
class BenchTask:
    """One protocol at one size and seed.

    Args:
        resolution: the four sets, and which copies were moved or dropped.
        trained: retain and forget together, in the order of the data: what the original learns.
        steps: of a sequence of requests the sets of each, without everybody asked for before; `resolution` is then
            that of all of them at once.
    """

    protocol: Protocol
    size: Size
    seed: int
    resolution: Resolution
    trained: PictureSet
    steps: tuple[Resolution, ...] = ()

    @property
    def task(self) -> ErasureTask:
        """The four sets."""
        return self.resolution.task

    def recipe(self, seed: int) -> TrainRecipe:
        """How a model is trained here from `seed`."""
        size = self.size
        return TrainRecipe(
            epochs=size.epochs,
            batch_size=size.batch_size,
            optimizer=Optimizer(lr=size.lr, schedule="cosine", warmup=0.05),
            augmentation=Augmentation(shift=size.shift),
            seed=seed,
        )

    @property
    def original_seed(self) -> int:
        """Initialisation, order and augmentation of the original follow from it."""
        return ORIGINAL + SEED_STEP * self.seed

    def reference_seed(self, number: int) -> int:
        """The same for reference `number` (0, 1 ...): never the original's."""
        return REFERENCE + number + SEED_STEP * self.seed


def bench_task(protocol: Protocol, size: Size, seed: int, *, path: Path, cache: Path) -> BenchTask:
    """Read the pictures of a protocol and draw who plays which part.

    Args:
        protocol, size, seed: what to build.
        path: of the data. cache: folder of decoded pictures.

    Raises:
        DataError: the data is not what the protocol says.
    """
    columns = protocol.data
    where = f"{columns.layout}:{path}" if columns.layout else str(path)
    unique = published_columns(where).get("id")
    spec = DataSpec(path=where, labels=columns.labels, subject=columns.subject, split="split", id=unique)
    data = read_dataset(spec, size=(size.side, size.side), cache=cache)
    if columns.group is not None and seed != 0:
        roles = draw_roles(data.columns[columns.group].tolist(), seed=seed)
        data = assemble(data.pictures, roles, columns=data.columns)
    train = data.role("train")
    if protocol.forget.kind == "published":
        return BenchTask(protocol, size, seed, as_listed(data), train)
    if isinstance(protocol.forget, Sequence):
        requests = [ErasureRequest(pictures=tuple(ids)) for ids in chosen_in_turn(protocol.forget, train, seed)]
        whole = ErasureRequest(pictures=tuple(picture for request in requests for picture in request.pictures))
        steps = tuple(successive(requests, data))
        return BenchTask(protocol, size, seed, resolve(whole, data, near_copies="ignore"), train, steps)
    asked = ErasureRequest(pictures=tuple(chosen(protocol.forget, train, seed)))
    return BenchTask(protocol, size, seed, resolve(asked, data, near_copies="ignore"), train)


def as_listed(data: Dataset) -> Resolution:
    """The sets as the literature has them: copies of forgotten pictures stay wherever its lists put them."""
    forget = np.isin(data.pictures.ids, published_forget(data))
    roles = {name: data.roles == name for name in ("tuning", "reporting")}
    sets = {"retain": (data.roles == "train") & ~forget, "forget": forget, **roles}
    task = ErasureTask(**{name: data.pictures.subset(torch.from_numpy(where)) for name, where in sets.items()})
    counts: dict[str, Any] = {name: int(where.sum()) for name, where in sets.items()}
    nothing: dict[str, Any] = dict.fromkeys(("exact_moved", "near_moved", "near_review", "dropped", "sentences"), ())
    return Resolution(task, RequestFindings(subjects=0, pictures=counts["forget"], **counts, **nothing))


def chosen(forget: Forget, train: PictureSet, seed: int) -> list[str]:
    """Ids of the training pictures that a seed forgets, in the order of the data.

    Raises:
        InputError: more people are to be forgotten than there are.
    """
    if forget.kind == "people":
        return _owned(train, draw_forget_people(train, share=forget.share or 0, seed=seed))
    if isinstance(forget, Memorised):
        return _owned(train, most_memorised(forget, train))
    if forget.kind == "count":
        names = np.unique([] if train.subjects is None else train.subjects)
        if len(names) <= (forget.count or 0):
            raise InputError("forget.count", expected=f"fewer than all {len(names)} people", came=str(forget.count))
        return _owned(train, np.random.default_rng(seed).permutation(names)[: forget.count].tolist())
    order = np.random.default_rng(seed).permutation(len(train))
    picked = order[: round((forget.share or 0) * len(train))]
    return [str(name) for name in train.ids[np.sort(picked)]]


def most_memorised(forget: Memorised, train: PictureSet) -> list[str]:
    """The most memorised people of the training pictures, until they own at least the share that is forgotten.

    Raises:
        InputError: someone has no score.
    """
    names, counts = np.unique([] if train.subjects is None else train.subjects, return_counts=True)
    scores = forget.by_person()
    if missing := [name for name in names.tolist() if name not in scores]:
        raise InputError("forget.scores", expected="a score for every person", came=f"none for {len(missing)} of them")
    order = np.argsort([-scores[name] for name in names.tolist()], kind="stable")
    taken = until_share(counts[order], (forget.share or 0) * len(train))
    return [str(name) for name in names[order[:taken]]]


def chosen_in_turn(forget: Sequence, train: PictureSet, seed: int) -> list[list[str]]:
    """Ids of the training pictures that each request of a sequence forgets.

    Raises:
        InputError: the requests together would forget everybody.
    """
    names, counts = np.unique([] if train.subjects is None else train.subjects, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    found: list[list[str]] = []
    for _ in range(forget.requests):
        if len(order) > 1:
            taken = until_share(counts[order], (forget.share or 0) * len(train))
            found.append(_owned(train, names[order[:taken]].tolist()))
            order = order[taken:]
    if len(found) < forget.requests or not len(order):
        came = f"{forget.requests} of {forget.share}"
        raise InputError("forget.requests", expected=f"requests that leave someone of {len(names)} people", came=came)
    return found


def successive(requests: Iterable[ErasureRequest], data: Dataset) -> Iterator[Resolution]:
    """The sets of each request, after those before it."""
    for request in requests:
        yield resolve(request, data, near_copies="ignore")
        data = without_erased(data, request, near_copies="ignore")


def _owned(train: PictureSet, people: Iterable[str]) -> list[str]:
    owners = np.array([]) if train.subjects is None else train.subjects
    return [str(name) for name in train.ids[np.isin(owners, list(people))]]


def pictures_key(pictures: PictureSet) -> str:
    """Fingerprint of pixels, labels and order: what a training depends on, whatever the pictures are called."""
    source = pictures.source
    if not isinstance(source, PictureStore):
        raise TypeError(f"expected a PictureStore, came {type(source).__name__}")
    digest = hashlib.sha256(source.content_hash.encode())
    digest.update(pictures.rows.numpy().tobytes() + pictures.labels.contiguous().numpy().tobytes())
    return digest.hexdigest()


def key_of(**parts: Any) -> str:
    """Hash of everything that decides a result."""
    return hashlib.sha256(json.dumps(plain(parts), sort_keys=True).encode()).hexdigest()


def task_key(task: ErasureTask) -> str:
    """Fingerprint of the four sets."""
    return key_of(**{name: pictures_key(task.split(name)) for name in ("retain", "forget", "tuning", "reporting")})
