"""Made-up raw results with answers that are known: how many pictures of each set a model gets right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from expunge.audits.observe import Observation, Seen
from expunge.bench.jobs import Job, asked
from expunge.bench.protocol import Protocol
from expunge.bench.raw import RawFolder
from expunge.types import SPLITS, ErasureTask, PictureSet
from tests.helpers import task

TASK = task(retain=80, forget=40)
ENGINE = {"device": "cpu", "precision": "fp32", "channels_last": "off", "threads": 1}
ALL = {"retain": 1.0, "forget": 1.0, "tuning": 1.0, "reporting": 1.0}


def protocol(methods: tuple[Any, ...] = ("finetune", "neggrad"), **fields: Any) -> Protocol:
    """A protocol of one seed and two methods."""
    given: dict[str, Any] = {
        "name": "made-up",
        "title": "Made up",
        "data": {"file": "x.parquet", "labels": ["label0"], "subject": "subject"},
        "forget": {"kind": "people", "share": 0.2},
        "seeds": [0],
        "references": [2, 1],
        "sizes": {"cpu": {"side": 8, "arch": "resnet10-eighth", "epochs": 1}},
        "methods": list(methods),
    }
    return Protocol.model_validate(given | fields)


def answers(right: dict[str, float] | None = None, *, given: ErasureTask = TASK) -> Observation:
    """Of a model that answers these shares of the sets right, so sure of itself that losses are 0 or 64 and tie."""
    shares = ALL | (right or {})
    return {name: _seen(given.split(name), shares[name]) for name in SPLITS}


def _seen(of: PictureSet, share: float) -> Seen:
    labels = of.labels[:, 0]
    wrong = torch.arange(len(labels)) % 20 >= round(20 * share)  # spread over people
    answer = torch.where(wrong, (labels + 1) % of.spec.sizes[0], labels)
    logits = 64 * torch.nn.functional.one_hot(answer, of.spec.sizes[0]).float()
    nothing = np.zeros(len(labels))  # read anew from the logits
    return Seen(of.ids, of.subjects, of.labels.numpy(), logits.numpy(), nothing, nothing, nothing, None, of.spec)


@dataclass(frozen=True)
class Made:
    """A folder of raw results that grows."""

    out: Path
    protocol: Protocol
    given: ErasureTask = TASK

    def seed(self, seed: int = 0, *, references: int = 1, right: dict[str, float] | None = None) -> Made:
        """A seed with its original and some references that answer alike."""
        self.raw(seed).write_task(self.given, {"key": "sets"})
        self.row("original", {"weights": "aaaa"}, {}, seed=seed, kind="original")
        for number in range(1, references + 1):
            self.row(f"reference-{number}", {"seconds": 100.0}, right, seed=seed, kind="reference")
        return self

    def row(
        self,
        row: str,
        told: dict[str, Any] | None = None,
        right: dict[str, float] | None = None,
        *,
        seed: int = 0,
        kind: Any = "method",
    ) -> Made:
        """A row; a failed one has no answers."""
        key = asked(Job(self.protocol.name, "cpu", seed, kind, row), self.protocol)
        spent = {"seconds": 2.0, "retrain_seconds": 100.0, "changed": True, "original": "aaaa"}
        facts = {"asked": key, "task": "sets", "kind": kind, "engine": ENGINE, **(spent if kind == "method" else {})}
        seen = None if told and "failed" in told else answers(right, given=self.given)
        self.raw(seed).write(row, facts | (told or {}), seen)
        return self

    def raw(self, seed: int) -> RawFolder:
        """The results of a seed."""
        return RawFolder(self.out / f"seed-{seed}")
