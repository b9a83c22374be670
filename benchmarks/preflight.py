"""How long `expunge check` takes, part by part, on more and more pictures, and what a million would take.

Invented faces before invented backgrounds, 64x64, in three sizes up to 100,000: the drawn faces alone are far more
alike than photographs, and a search for copies takes its time with pictures that look alike. How alike they are is
measured and has to be no less than on real faces. A twentieth each are tuning and reporting pictures, a hundredth is
asked for.

Processor time of one thread is measured, since the machine may be busy and waiting threads spin, and shared out over
two. Each part is extrapolated by its own growth between the two largest sizes, never by less than straight proportion;
comparing the pixels of look-alikes, whose pairs grow faster, is a part of its own. Held to: half an hour for a million
pictures, and growth of the whole close to linear.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from expunge.app.check import preflight
from expunge.app.desk import Silent
from expunge.app.freeze import decided
from expunge.app.job import CheckJob
from expunge.app.jobfile import build_job
from expunge.app.train import read_for_network
from expunge.data import copies
from expunge.data.dataset import Dataset, assemble
from expunge.data.requests import ErasureRequest, resolve
from expunge.data.store import PictureStore
from expunge.data.synthetic import write_parquet
from expunge.evidence.preflight import check_page, findings
from expunge.types import PictureSet
from harness import write

Row = dict[str, Any]
Answer = TypeVar("Answer")
SIZES = (25_000, 50_000, 100_000)
SIDE, EACH = 64, 10  # pixels; pictures of a person
HELD_OUT, ASKED = 20, 100  # every so many people are tuning and reporting; are asked for
MILLION, MINUTES, THREADS = 1_000_000, 30, 2
GROWTH = 1.25  # exponent that still passes for close to linear
MATTERS = 0.01  # share of the time; of less than that the clock knows no growth
BLEND, SCENE, CHUNK = 0.7, 16.5, 2000  # share of the drawn face, deviation of the background, pictures at a time
REAL_ALIKE = 2.6e-5  # pairs whose pixels are compared, among all pairs of 3,000 pictures of MUFAC


class Clock:
    """Processor seconds by the name of what was done; what is done within something else counts there only."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.inner = 0.0

    def timed(self, name: str, work: Callable[..., Answer]) -> Callable[..., Answer]:
        def run(*arguments: Any, **named: Any) -> Answer:
            start, before = time.process_time(), self.inner
            try:
                return work(*arguments, **named)
            finally:
                whole = time.process_time() - start
                self.spent[name] = self.spent.get(name, 0.0) + whole - (self.inner - before)
                self.inner = before + whole

        return run


def main() -> None:
    torch.set_num_threads(1)
    measured, rows = {}, []
    for n in SIZES:
        measured[n], alike = checked(n)
        seconds = {part: round(value, 2) for part, value in measured[n].items()}
        total = round(sum(measured[n].values()), 1)
        told = {"processor_seconds": seconds, "alike": float(f"{alike:.2g}"), "alike_threshold": REAL_ALIKE}
        rows.append({"name": f"{n} pictures", "value": total, **told, "holds": alike >= REAL_ALIKE})
        print(rows[-1], flush=True)
    rows.append(extrapolated(measured))
    print(rows[-1], flush=True)
    write(__file__, rows)


def checked(n: int) -> tuple[dict[str, float], float]:
    """Processor seconds of every part of a check of `n` pictures, and which share of pairs had its pixels compared."""
    clock, compared = Clock(), []

    def confirmed(first: PictureSet, second: PictureSet, *rest: Any, **named: Any) -> copies.NearCopies:
        found: copies.NearCopies = confirm(first, second, *rest, **named)
        compared.append(found.proposed / (len(first) * len(second)))
        return found

    confirm = clock.timed("pixels of look-alikes", copies._confirmed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faces.parquet"
        write_parquet(path, subjects=n // EACH, pictures_per_subject=EACH, size=SIDE)
        data = {"path": str(path), "labels": ["age_group"], "subject": "subject", "size": SIDE}
        job, settings = decided(build_job(CheckJob, {"data": data, "engine": {"threads": 1}}), None)
        read = clock.timed("reading", read_for_network)(job, Silent())
        faces = photographed(read)
        with mock.patch.object(copies, "_confirmed", confirmed):
            resolution = clock.timed("search for copies", resolve)(request(faces), faces)
        facts = clock.timed("everything else", preflight)(job, faces, resolution, settings, Silent())
        clock.timed("page", lambda: check_page(facts, findings(facts)))()
    return clock.spent, max(compared)


def photographed(data: Dataset) -> Dataset:
    """The same faces before backgrounds, with people dealt to the roles in turn."""
    pixels = np.empty_like(data.store.pixels)
    for start in range(0, len(pixels), CHUNK):
        faces = torch.from_numpy(data.store.pixels[start : start + CHUNK].astype(np.float32)).permute(0, 3, 1, 2)
        mixed = BLEND * faces + (1 - BLEND) * 64 + SCENE * scenes(len(faces), seed=start)
        pixels[start : start + CHUNK] = mixed.clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    store = PictureStore(pixels)
    store.content_hash  # noqa: B018  (hashing belongs to reading, which has been timed)
    old = data.pictures
    pictures = PictureSet(store, old.rows, old.labels, old.ids, old.subjects, old.spec)
    turn = people(data) % HELD_OUT
    return assemble(pictures, np.select([turn == 0, turn == 1], ["tuning", "reporting"], "train"))


def scenes(n: int, *, seed: int) -> Tensor:
    """Random fields as smooth as scenes are: float32 [n, 3, side, side] of deviation about 1."""
    made = torch.Generator().manual_seed(seed)
    field = torch.zeros(n, 3, SIDE, SIDE)
    for grain in (2, 4, 8, 16):
        coarse = torch.randn(n, 3, grain, grain, generator=made)
        field += interpolate(coarse, (SIDE, SIDE), mode="bilinear") * (2 / grain) ** 0.5
    return field


def request(data: Dataset) -> ErasureRequest:
    """Every hundredth person, of those who are in training."""
    chosen = data.pictures.subjects[people(data) % ASKED == 2]
    return ErasureRequest(subjects=tuple(sorted(set(chosen.tolist()))))


def people(data: Dataset) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Number of the person on every picture."""
    return np.unique(data.pictures.subjects, return_inverse=True)[1].reshape(-1)


def extrapolated(measured: dict[int, dict[str, float]]) -> Row:
    """A million pictures, from the two largest sizes."""
    some, most = SIZES[-2:]
    totals = {n: sum(spent.values()) for n, spent in measured.items()}
    parts, growth = {}, {}
    for name, seconds in measured[most].items():
        exponent = 1.0
        if seconds > MATTERS * totals[most]:
            exponent = growth[name] = math.log(seconds / measured[some][name]) / math.log(most / some)
        parts[name] = seconds * (MILLION / most) ** max(1.0, exponent)
    minutes = sum(parts.values()) / THREADS / 60
    whole = math.log(totals[most] / totals[some]) / math.log(most / some)
    return {
        "name": "minutes for a million pictures on two threads",
        "value": round(minutes, 1),
        "threshold": MINUTES,
        "processor_seconds": {name: round(value) for name, value in parts.items()},
        "growth": {name: round(value, 2) for name, value in growth.items()} | {"whole": round(whole, 2)},
        "growth_threshold": GROWTH,
        "holds": minutes <= MINUTES and whole <= GROWTH,
    }


if __name__ == "__main__":
    main()
