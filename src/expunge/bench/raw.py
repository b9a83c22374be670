"""Raw results: what every model answered on every picture, and what making it cost. No picture, no weight.

Observations and plain values flow to files and back. Tables are made from these files alone, so that a table can be
continued on another machine. Answers are kept in half precision, and measured as kept; features are not kept, but what
attacks on them make of every forget and reporting picture.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from expunge.audits.arrays import Array, read_arrays
from expunge.audits.observe import Observation, Seen, answered
from expunge.audits.population import INNER, inner_scores
from expunge.errors import DataError
from expunge.types import SPLITS, ErasureTask, LabelSpec

TASK, LARGEST = "task", 60_000.0  # of float16, with room
UNFIT = (KeyError, TypeError, ValueError)  # what files do that hold something else


@dataclass(frozen=True)
class RawFolder:
    """The results of one protocol, size and seed: `task.npz`, and for every row `NAME.json` and `NAME.npz`."""

    path: Path

    def rows(self) -> list[str]:
        """Names of files of all rows that are there, finished or failed."""
        return sorted(p.stem for p in self.path.glob("*.json") if p.stem != TASK)

    def told(self, row: str) -> dict[str, Any] | None:
        """What is known about a row, None where nothing is.

        Raises:
            DataError: the file is not readable as such.
        """
        place = self.path / f"{slug(row)}.json"
        if not place.exists():
            return None
        try:
            found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            found = {}
        if not isinstance(found, dict) or not found:
            raise DataError(str(place), expected="a raw result", came="something else", remedy="delete it")
        return found

    def write(self, row: str, told: Mapping[str, Any], seen: Observation | None) -> None:
        """Keep a row; its answers first, so that a row whose JSON is there is whole."""
        if seen is not None:
            answers: dict[str, Array] = {name: _halved(seen[name].logits) for name in SPLITS}
            for name, attack in inner_scores(seen).items():
                if attack.members is not None and attack.others is not None:
                    answers |= {f"forget.{name}": _single(attack.members), f"reporting.{name}": _single(attack.others)}
            write_arrays(self.path / f"{slug(row)}.npz", answers)
        _write_text(self.path / f"{slug(row)}.json", json.dumps({"row": row, **told}, indent=1, sort_keys=True) + "\n")

    def write_task(self, task: ErasureTask, told: Mapping[str, Any]) -> None:
        """Keep who is where: ids, subjects, labels; and what the labels mean."""
        arrays: dict[str, Array] = {}
        for name in SPLITS:
            pictures = task.split(name)
            arrays |= {f"{name}.ids": pictures.ids, f"{name}.labels": pictures.labels.numpy().astype(np.int16)}
            if pictures.subjects is not None:
                arrays[f"{name}.subjects"] = pictures.subjects
        spec = task.retain.spec
        write_arrays(self.path / f"{TASK}.npz", arrays)
        meaning = {"names": spec.names, "classes": spec.classes}
        _write_text(self.path / f"{TASK}.json", json.dumps({**told, "spec": meaning}, indent=1, sort_keys=True) + "\n")

    def task(self) -> dict[str, Any] | None:
        """What `write_task` was told, None where nothing was."""
        return self.told(TASK)

    def observation(self, row: str) -> Observation:
        """What a row's model answered.

        Raises:
            DataError: files are missing or do not fit each other.
        """
        spec, who, answers = self._read(row)
        try:
            return {name: _seen(name, who, answers[name], spec) for name in SPLITS}
        except UNFIT as error:
            raise self._unfit(row, error) from None

    def inner(self, row: str) -> dict[str, tuple[Array, Array]]:
        """Scores of forget and of reporting pictures, float32 [n] and [m], by the attacks of `INNER` that were kept.

        Raises:
            DataError: files are missing or do not fit each other.
        """
        _, who, answers = self._read(row)
        kept = {name: (answers.get(f"forget.{name}"), answers.get(f"reporting.{name}")) for name in INNER}
        whole = {name: (f, r) for name, (f, r) in kept.items() if f is not None and r is not None}
        wanted = [who[f"{side}.ids"].shape if f"{side}.ids" in who else None for side in ("forget", "reporting")]
        for name, sides in whole.items():
            if [side.shape for side in sides] != wanted:
                raise self._unfit(row, ValueError(f"not a score a picture by {name}"))
        return whole

    def _read(self, row: str) -> tuple[LabelSpec, dict[str, Array], dict[str, Array]]:
        """What the labels mean, who is where, and what is kept of a row."""
        told = self.task()
        if told is None:
            raise DataError(str(self.path), expected="a task.json", came="none")
        try:
            spec = LabelSpec(tuple(told["spec"]["names"]), tuple(tuple(c) for c in told["spec"]["classes"]))
            who, answers = (read_arrays(self.path / f"{name}.npz") for name in (TASK, slug(row)))
        except UNFIT as error:
            raise self._unfit(row, error) from None
        return spec, who, answers

    def _unfit(self, row: str, error: Exception) -> DataError:
        return DataError(str(self.path), expected=f"answers of {row}", came=str(error)[:80])


def slug(row: str) -> str:
    """A row's name as a name of a file.

    Example:
        >>> slug("dlfd:paper, radius=0.03")
        'dlfd-paper-radius-0.03'
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", row).strip("-.")


def _halved(logits: Array) -> Array:
    return logits.clip(-LARGEST, LARGEST).astype(np.float16)


def _single(scores: Array) -> Array:
    """In single precision: the pull of a picture that is answered surely is less than half precision knows."""
    return scores.astype(np.float32)


def _seen(name: str, who: Mapping[str, Array], answers: Array, spec: LabelSpec) -> Seen:
    labels = who[f"{name}.labels"].astype(np.int64)
    if answers.shape != (len(labels), spec.logits):
        raise ValueError(f"{list(answers.shape)} answers for {len(labels)} pictures")
    logits, truth = torch.from_numpy(answers.astype(np.float32)), torch.from_numpy(labels)
    return answered(who[f"{name}.ids"], who.get(f"{name}.subjects"), truth, logits, spec)


def write_arrays(place: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as a whole or not at all, whoever else writes the same at the same time."""
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    part.replace(place)


def _write_text(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(place)
