"""Use case: the whole story on invented faces, small enough for two cores; each step is an ordinary run directory.

Running it again continues where it stopped: finished steps are taken up as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.app.desk import Desk
from expunge.app.draw import draw_request
from expunge.app.erase import erase_files
from expunge.app.job import DrawJob, EraseJob, TrainJob
from expunge.app.jobfile import build_job
from expunge.app.rundir import check_out, disk_errors
from expunge.app.train import train_files
from expunge.data.synthetic import write_parquet
from expunge.errors import InputError

FIRST_REFERENCE_SEED = 101


@dataclass(frozen=True)
class DemoSettings:
    """How large the demo is; the defaults take one to two minutes on two cores.

    Args:
        out: directory of all its runs.
        seed: of everything.
        references: models to retrain.
        subjects, pictures, size: invented people, pictures of each, side in pixels.
        epochs, lr, batch_size, arch: how the original and the references are trained.
        share: of the training pictures that the people to be erased own.
        method: what erases.
    """

    out: Path
    seed: int = 0
    references: int = 2
    subjects: int = 300
    pictures: int = 10
    size: int = 32
    epochs: float = 30
    lr: float = 0.1
    batch_size: int = 64
    arch: str = "resnet18-quarter"
    share: float = 0.15
    method: str = "dlfd"


def demo(settings: DemoSettings, *, desk: Desk) -> Path:
    """Draw faces, train, retrain, erase, audit, report; the answer is the run directory of the erasure.

    Raises:
        InputError: a number that makes no demo, or a directory that holds something else.
    """
    if not 0 <= settings.references <= 20:
        raise InputError("--references", expected="a number from 0 to 20", came=str(settings.references))
    faces, request = settings.out / "faces.parquet", settings.out / "request.csv"
    check_demo_directory(settings.out)
    _draw(settings, faces, request, desk)
    train = _train_fields(settings, faces)
    original = _train(train, settings.out / "original", settings.seed, None, desk)
    references = [
        _train(train, settings.out / f"reference-{n + 1}", FIRST_REFERENCE_SEED + n, request, desk)
        for n in range(settings.references)
    ]
    fields = {
        "out": settings.out / "erased",
        "seed": settings.seed,
        "data": train["data"],
        "model": {"path": str(original)},
        "request": {"file": request},
        "method": {"name": settings.method},
        "reference": [str(path) for path in references],
        # nobody real is on these pictures
        "show_faces": True,
    }
    return erase_files(build_job(EraseJob, fields), desk=desk, resume=True)


def check_demo_directory(out: Path) -> None:
    """Refuse a directory that something else lives in.

    Raises:
        InputError: it holds files, and none of them is the demo's.
    """
    if out.exists() and not (out / "faces.parquet").exists():
        check_out(out, resume=False)


def _draw(settings: DemoSettings, faces: Path, request: Path, desk: Desk) -> None:
    with disk_errors(settings.out):
        settings.out.mkdir(parents=True, exist_ok=True)
        if not faces.exists():
            desk.stage("drawing faces")
            write_parquet(
                faces,
                subjects=settings.subjects,
                pictures_per_subject=settings.pictures,
                size=settings.size,
                seed=settings.seed,
            )
    if not request.exists():
        fields = {"data": _data(settings, faces), "out": request, "share": settings.share, "seed": settings.seed}
        draw_request(build_job(DrawJob, fields), desk=desk)


def _data(settings: DemoSettings, faces: Path) -> dict[str, Any]:
    return {"path": str(faces), "labels": ["age_group"], "subject": "subject", "size": settings.size}


def _train_fields(settings: DemoSettings, faces: Path) -> dict[str, Any]:
    recipe = {"epochs": settings.epochs, "lr": settings.lr, "batch_size": settings.batch_size}
    return {"data": _data(settings, faces), "model": {"arch": settings.arch}, "recipe": recipe}


def _train(fields: dict[str, Any], out: Path, seed: int, without: Path | None, desk: Desk) -> Path:
    desk.say(f"{'training' if without is None else 'retraining without the forget set'}: {out.name}")
    job = build_job(TrainJob, {**fields, "out": out, "seed": seed, "without": without})
    return train_files(job, desk=desk, resume=True)
