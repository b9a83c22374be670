"""Which models still hold erased people: what their runs were trained on, and which model they came from.

Run directories and the scope of a purge flow in, a judgement for every file of weights flows out. A model is taken to
hold them unless its run shows that it does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from expunge.app.job import DataJob, RequestJob
from expunge.app.purgescope import Scope, source_of
from expunge.app.resolve import ERASED_BEFORE, read_request, request_sha256
from expunge.app.rundir import CHECKPOINTS
from expunge.data.requests import ErasureRequest
from expunge.errors import ExpungeError

WEIGHTS = frozenset([".safetensors", ".pt", ".pth", ".bin", ".onnx"])
REFERENCES = "references"


@dataclass(frozen=True)
class Judged:
    """Whether weights hold erased people (None: nobody can tell), and how one knows."""

    holds: bool | None
    because: str


UNLEARNED = Judged(False, "unlearned them")
NEVER_SAW = Judged(False, "was trained without them")
FOLLOWS = Judged(False, "came of the model that unlearned them")
ORIGINAL = Judged(True, "the run erased them from it")
TRAINED = Judged(True, "was trained on them")
STARTED = Judged(True, "keeps the weights of a model that knows them")
FOREIGN = Judged(None, "was trained on other data: whether they are in it was not looked at")


@dataclass(frozen=True)
class OtherRun:
    """A run directory, finished or not.

    Args:
        path: where. kind: train, erase or audit. fields: of its job. inputs: fingerprints of what it read.
    """

    path: Path
    kind: str
    fields: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def after(self) -> str | None:
        """Fingerprint of the weights that it made, where it erased."""
        try:
            metrics = json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
            return str(metrics["weights"]["after"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def read_runs(files: Iterable[Path]) -> list[OtherRun]:
    """The runs whose jobs are among some files."""
    found = []
    for file in files:
        if file.name == "job.yaml":
            try:
                fields = yaml.safe_load(file.read_text(encoding="utf-8"))
                found.append(OtherRun(file.parent, str(fields["kind"]), fields, dict(fields["frozen"]["inputs"])))
            except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):  # somebody else's job.yaml
                continue
    return found


class Models:
    """What is known about all models below the roots.

    Args:
        scope: whom the purge is about. runs: the run directories there.
    """

    def __init__(self, scope: Scope, runs: Sequence[OtherRun]) -> None:
        self._scope = scope
        self._runs = {run.path: run for run in runs}
        self._covering = {run.path for run in runs if self._covers(run)}
        self._clean = self._unlearned()

    def run_of(self, path: Path) -> OtherRun | None:
        """The run that a file belongs to."""
        return next((self._runs[folder] for folder in path.parents if folder in self._runs), None)

    def judge(self, path: Path) -> Judged | None:
        """What is known about a file of weights; None where no run and no job names it."""
        run = self.run_of(path)
        if self._scope.original in (path, *path.parents) or self._is_original(path):
            return ORIGINAL
        if run is None:
            return None
        inside = path.relative_to(run.path).parts
        if run.path == self._scope.run.path:
            return NEVER_SAW if inside[0] == REFERENCES else UNLEARNED
        if inside[0] == CHECKPOINTS and run.kind == "erase" and run.inputs.get("weights") not in self._clean:
            return STARTED
        if run.path in self._covering:
            return UNLEARNED if run.kind == "erase" and inside[0] != REFERENCES else NEVER_SAW
        if run.kind == "erase" and inside[0] == REFERENCES and self._left_out(run):
            return NEVER_SAW
        if run.kind == "erase" and inside[0] != REFERENCES and run.inputs.get("weights") in self._clean:
            return FOLLOWS
        return TRAINED if self._same_data(run) or self._same_start(run) else FOREIGN

    def _unlearned(self) -> set[str]:
        """Fingerprints of the models that do not hold them: those that unlearned them, and what came of these."""
        erasing = [(run, run.after) for run in self._runs.values() if run.kind == "erase"]
        clean = {self._scope.run.after, *(after for run, after in erasing if after and run.path in self._covering)}
        while more := {after for run, after in erasing if after and run.inputs.get("weights") in clean} - clean:
            clean |= more
        return clean

    def _covers(self, run: OtherRun) -> bool:
        """Whether everybody whom the purge is about was left out or erased in a run too."""
        if run.inputs.get("request") == self._scope.run.inputs["request"]:
            return True
        try:
            raw = run.fields["request"] if run.kind == "erase" else {"file": run.fields.get("without")}
            asked = read_request(RequestJob.model_validate(raw))
        except (ExpungeError, ValueError, KeyError, TypeError):  # nobody was, or nobody knows any more who was
            return False
        return self._names_all(asked) and request_sha256(asked) == run.inputs.get("request")

    def _left_out(self, run: OtherRun) -> bool:
        """Whether everybody was erased before a run, which kept them out of all its sets."""
        try:
            job = RequestJob.model_validate(run.fields["request"])
        except (ValueError, KeyError, TypeError):
            return False
        erased = ErasureRequest(job.erased_subjects, job.erased_pictures)
        return self._names_all(erased) and request_sha256(erased) == run.inputs.get(ERASED_BEFORE)

    def _names_all(self, asked: ErasureRequest) -> bool:
        ours = self._scope.request
        return set(ours.subjects) <= set(asked.subjects) and set(ours.pictures) <= set(asked.pictures)

    def _same_data(self, run: OtherRun) -> bool:
        if run.inputs.get("pictures") == self._scope.run.inputs["pictures"]:
            return True
        try:
            return source_of(DataJob.model_validate(run.fields["data"])) == self._scope.data
        except (ValueError, KeyError, TypeError):
            return True  # nobody knows what it was trained on

    def _same_start(self, run: OtherRun) -> bool:
        return run.kind == "erase" and run.inputs.get("weights") == self._scope.run.inputs["weights"]

    def _is_original(self, path: Path) -> bool:
        weights = self._scope.run.job.model.weights
        return weights is not None and weights.resolve() in (path, *path.parents)
