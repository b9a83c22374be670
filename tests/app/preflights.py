"""Invented faces with one fault planted in them, and what a check finds; shared by tests of findings and of files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from expunge.app.check import preflight
from expunge.app.desk import Silent
from expunge.app.job import CheckJob
from expunge.app.jobfile import build_job
from expunge.data.dataset import Dataset, from_tensors
from expunge.data.requests import ErasureRequest, resolve
from expunge.data.synthetic import synthetic_faces
from expunge.engine.settings import EngineSettings, decide
from expunge.evidence.preflight import Preflight, findings

SIZE = 32


@dataclass
class Faces:
    """Parts of a data set that a fault may change; `asked` are the subjects of the request."""

    pixels: Tensor
    labels: Tensor
    subjects: np.ndarray
    roles: np.ndarray
    ids: np.ndarray
    asked: list[str]
    pictures: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    @classmethod
    def clean(cls) -> Faces:
        """100 people with 6 pictures each, of whom 14 are asked for."""
        faces = synthetic_faces(100, 6, size=SIZE)
        shown = faces.pictures
        assert shown.subjects is not None
        people = sorted(set(shown.subjects[faces.roles == "train"].tolist()))
        asked = np.random.default_rng(0).permutation(people)[:14].tolist()
        pixels = shown.pixels(torch.arange(len(shown)))
        return cls(pixels, shown.labels.clone(), shown.subjects.copy(), faces.roles.copy(), shown.ids, asked)

    def at(self, name: str) -> np.ndarray:
        """Positions of forget, retain, tuning or reporting pictures."""
        forget = np.isin(self.subjects, self.asked) & (self.roles == "train")
        chosen = {"forget": forget, "retain": (self.roles == "train") & ~forget}
        return np.flatnonzero(chosen.get(name, self.roles == name))

    def copy(self, of: int, to: int) -> None:
        """Put a picture in the place of another one, with its labels."""
        self.pixels[to], self.labels[to] = self.pixels[of], self.labels[of]

    def dataset(self) -> Dataset:
        spec = synthetic_faces(8, 1, size=8).pictures.spec
        made = from_tensors(
            self.pixels,
            self.labels,
            subjects=self.subjects.tolist(),
            roles=self.roles.tolist(),
            ids=self.ids.tolist(),
            spec=spec,
        )
        return replace(made, unreadable=self.unreadable)


Fault = Callable[[Faces], None]


def facts(faces: Faces) -> Preflight:
    """What a check finds."""
    data = faces.dataset()
    job = build_job(CheckJob, {"data": {"path": "unread"}, "model": {"arch": "resnet10-quarter"}})
    resolution = resolve(ErasureRequest(subjects=tuple(faces.asked), pictures=faces.pictures), data)
    return preflight(job, data, resolution, decide(EngineSettings(threads=1)), Silent())


def keys(data: Preflight) -> dict[str, str]:
    """Level of every finding by its key."""
    return {finding.key: finding.level for finding in findings(data)}
