"""A workplace for purges: faces, an original, a run that erased some people, a cache; and holders to plant in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from expunge.app.desk import Silent
from expunge.app.draw import draw_request
from expunge.app.erase import erase_files
from expunge.app.job import DrawJob, EraseJob, TrainJob
from expunge.app.jobfile import build_job
from expunge.app.train import train_files
from expunge.audits.shadowcache import Shadow, ShadowCache
from expunge.data.requestfile import read_names
from expunge.data.synthetic import write_parquet

DATA = {"path": "faces.parquet", "labels": ["age_group"], "subject": "subject", "size": 32, "cache": "cache"}
PEOPLE = {**DATA, "labels": ["subject"]}  # of a recogniser: a class is a person
ENGINE = {"threads": 1, "precision": "fp32"}
REPORT = '<meta name="generator" content="expunge"><img src="data:image/png;base64,AA==">'


def build(data: Mapping[str, Any] = DATA) -> None:
    """Draw, train and erase in the current folder, all paths relative to it."""
    write_parquet(Path("faces.parquet"), subjects=24, pictures_per_subject=2, size=32)
    draw_request(build_job(DrawJob, {"data": data, "out": "request.csv", "share": 0.2}), desk=Silent())
    train = {"data": data, "model": {"arch": "resnet10-quarter"}, "recipe": {"epochs": 1}, "engine": ENGINE}
    train_files(build_job(TrainJob, {**train, "out": "runs/original"}), desk=Silent())
    erase = {"data": data, "model": {"path": "runs/original"}, "request": {"file": "request.csv"}, "engine": ENGINE}
    method = {"name": "finetune", "set": {"epochs": 1, "batch_size": 16}}
    erase_files(build_job(EraseJob, {**erase, "method": method, "out": "runs/erased"}), desk=Silent())


def erased_people() -> list[str]:
    return list(read_names(Path("request.csv"))["subjects"])


def erased_picture() -> Image.Image:
    """One of the pictures that were erased."""
    for row in pq.read_table("faces.parquet").to_pylist():
        if row["subject"] == erased_people()[0]:
            return Image.open(BytesIO(row["image"]["bytes"])).convert("RGB")
    raise AssertionError


def plant() -> set[Path]:
    """One holder of every kind that expunge leaves behind, beside the store and the original; where they are."""
    person = erased_people()[0]
    shadow = Shadow(np.zeros((4, 1), np.float32), np.ones(4, bool), 4, 1.0, {})
    ShadowCache(Path("cache/shadows")).write({"population": "x", "watched": "y", "unlearning": None}, shadow)
    texts: Mapping[str, Any] = {
        "runs/killed.partial/job.yaml": json.dumps(_train_job()),
        "runs/reports/report.html": REPORT,
        "runs/figures/perturbed.svg": "<svg/>",
        "runs/figures/losses.svg": "<svg/>",
        "runs/figures/overshoot.svg": "<svg/>",
        "runs/check/check.json": json.dumps({"labels": [person]}),
        "runs/lists/request-copy.csv": f"subject\n{person}\n",
        f"cache/{'0' * 40}.pixels.12.34.tmp": "torn",
        "runs/killed.partial/checkpoints/train/state.pt": "weights",
    }
    for name, text in texts.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    np.savez("runs/lists/losses.npz", subjects=np.array([person]), losses=np.zeros(1))
    Path("runs/copy").mkdir()
    Path("runs/copy/weights.safetensors").write_bytes(Path("runs/original/model/model.safetensors").read_bytes())
    kept = ("job.yaml", "losses.svg", "overshoot.svg")
    planted = {Path(name) for name in texts if not name.endswith(kept)}
    planted |= {Path("runs/lists/losses.npz"), Path("runs/copy/weights.safetensors")}
    return planted | set(Path("cache/shadows").iterdir())


def files() -> dict[str, str]:
    """SHA-256 of every file below the current folder."""
    return {
        str(path.absolute()): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path().rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def _train_job() -> dict[str, Any]:
    return {"kind": "train", "data": DATA, "frozen": {"inputs": {"pictures": "other size", "weights": "fresh"}}}
