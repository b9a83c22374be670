"""A small workplace that tests of use cases share: invented faces, a request, an original, a reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.app.desk import Silent
from expunge.app.draw import draw_request
from expunge.app.job import AuditJob, DrawJob, EraseJob, TrainJob
from expunge.app.jobfile import build_job
from expunge.app.train import train_files
from expunge.data.synthetic import write_parquet

ARCH = "resnet10-quarter"
ENGINE = {"threads": 1, "precision": "fp32"}


@dataclass(frozen=True)
class Workbench:
    """Paths of finished things; tests write elsewhere."""

    place: Path

    @property
    def faces(self) -> Path:
        return self.place / "faces.parquet"

    @property
    def request(self) -> Path:
        return self.place / "request.csv"

    @property
    def original(self) -> Path:
        return self.place / "original"

    @property
    def reference(self) -> Path:
        return self.place / "reference"

    @property
    def data(self) -> dict[str, Any]:
        return {"path": str(self.faces), "labels": ["age_group"], "subject": "subject", "size": 16}

    def train(self, out: Path, **flags: Any) -> TrainJob:
        """A job that trains for one epoch; flags are dotted fields with `__` for dots."""
        fields = {"out": out, "data": self.data, "model": {"arch": ARCH}, "recipe": {"epochs": 1}, "engine": ENGINE}
        return build_job(TrainJob, fields, dotted(flags))

    def erase(self, out: Path, **flags: Any) -> EraseJob:
        """A job that fine-tunes for one epoch."""
        fields = {
            "out": out,
            "data": self.data,
            "model": {"path": str(self.original)},
            "request": {"file": self.request},
            "method": {"name": "finetune", "set": {"epochs": 1, "batch_size": 16}},
            "engine": ENGINE,
        }
        return build_job(EraseJob, fields, dotted(flags))

    def audit(self, out: Path, **flags: Any) -> AuditJob:
        """A job that audits the original."""
        fields = {
            "out": out,
            "data": self.data,
            "models": [str(self.original)],
            "request": {"file": self.request},
            "engine": ENGINE,
        }
        return build_job(AuditJob, fields, dotted(flags))

    @property
    def flags(self) -> list[str]:
        """The data flags of a command line."""
        return ["--data", str(self.faces), "--label", "age_group", "--subject", "subject", "--threads", "1"]


def dotted(flags: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("__", "."): value for name, value in flags.items()}


def build(place: Path) -> Workbench:
    """Draw faces and train two small networks."""
    bench = Workbench(place)
    write_parquet(bench.faces, subjects=24, pictures_per_subject=4, size=16)
    draw = {"data": bench.data, "out": bench.request, "share": 0.2}
    draw_request(build_job(DrawJob, draw), desk=Silent())
    train_files(bench.train(bench.original), desk=Silent())
    train_files(bench.train(bench.reference, without=bench.request, seed=101), desk=Silent())
    return bench


def listing(place: Path) -> dict[str, int]:
    """Every file below a directory with its size: what a command wrote shows up here."""
    return {str(path.relative_to(place)): path.stat().st_size for path in sorted(place.rglob("*")) if path.is_file()}
