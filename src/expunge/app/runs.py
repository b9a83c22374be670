"""Finished run directories, read back: what was asked, what was measured, where model and report are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from expunge.app.inputs import weights_file
from expunge.app.plainfiles import read_json, read_yaml
from expunge.app.results import headline_rows, short_row, table_rows, verdicts
from expunge.app.rundir import partial_of
from expunge.engine.events import Events
from expunge.errors import InputError, RunDirectoryError
from expunge.models.artefact import ModelArtefact
from expunge.models.load import load_model

TOLD = ("method", "steps", "budget_hit", "weights", "pictures", "accuracy")


@dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        path: its directory.
        job: the fields of its job, with all decisions.
        metrics: its numbers; rows as they are in `metrics.json`.
        factory: what builds the network, where the model is a file of weights.
    """

    path: Path
    job: dict[str, Any]
    metrics: dict[str, Any]
    factory: str | None = None

    @property
    def kind(self) -> str:
        """`train`, `erase` or `audit`."""
        return str(self.job["kind"])

    @property
    def report(self) -> Path | None:
        """The report for people, where the run has one."""
        place = self.path / "report.html"
        return place if place.exists() else None

    @cached_property
    def model(self) -> ModelArtefact:
        """The model that the run made.

        Raises:
            ModelError: it made none, it cannot be read, or it needs code that the caller did not name.
        """
        place = self.path / "model"
        if self.factory is None or not place.exists():
            return load_model(place)
        return load_model(self.factory, weights=weights_file(place))

    def events(self) -> list[dict[str, object]]:
        """What happened, with times."""
        place = self.path / "events.jsonl"
        return Events.read(place) if place.exists() else []

    def summary(self) -> dict[str, Any]:
        """The few values that a script needs."""
        model = self.path / "model"
        return {
            "kind": self.kind,
            "out": str(self.path),
            "model": str(model) if model.exists() else None,
            "report": str(self.report) if self.report else None,
            "metrics": str(self.path / "metrics.json"),
            **{name: self.metrics[name] for name in TOLD if name in self.metrics},
            "verdict": {model: found["overall"] for model, found in verdicts(self.metrics).items()},
            "rows": [short_row(row) for row in headline_rows(list(table_rows(self.metrics)))],
        }


def load_run(path: str | Path, *, factory: str | None = None) -> Run:
    """Read a finished run directory.

    Args:
        path: as given to `--out`.
        factory: `package.module:factory` of the network, where the run's model is a file of weights: a directory
            never names the code that is run.

    Raises:
        RunDirectoryError: there is none, or it is not finished.
    """
    place = Path(path)
    if place.name.endswith(".partial") or (not place.exists() and partial_of(place).exists()):
        raise RunDirectoryError("run", expected="a finished run", came=str(place), remedy="continue it with --resume")
    try:
        job, metrics = read_yaml(place / "job.yaml", "job"), read_json(place / "metrics.json", "metrics")
    except InputError as error:
        raise RunDirectoryError("run", expected="a run directory", came=f"{place} ({error})") from None
    if not (isinstance(job, dict) and "kind" in job and isinstance(metrics, dict)):
        raise RunDirectoryError("run", expected="job.yaml and metrics.json as written", came=str(place))
    return Run(place, job, metrics, factory)
