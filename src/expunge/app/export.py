"""Use case: the model of a finished erase run as an ONNX file, checked for equal answers.

A run directory flows in; a file flows out, and its check is told on the run's hand-off page.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from expunge.app.desk import Desk
from expunge.app.handoff import PAGE, handoff
from expunge.app.rundir import disk_errors
from expunge.app.runs import load_run
from expunge.errors import RunDirectoryError, Unavailable
from expunge.evidence.files import hash_file
from expunge.evidence.report import OnnxCheck, handoff_html, write_page
from expunge.models.classifier import PixelClassifier
from expunge.models.export import OPSET, export_onnx, onnx_difference


@dataclass(frozen=True)
class ExportSettings:
    """What to export.

    Args:
        run: directory of a finished `expunge erase`.
        onnx: file to write.
        factory: of the network, where the run's model is a file of weights.
        threads: of the CPU; 0 for torch's own choice.
    """

    run: Path
    onnx: Path
    factory: str | None = None
    threads: int = 0


def export_run(settings: ExportSettings, *, desk: Desk) -> dict[str, Any]:
    """Write the ONNX file, and the hand-off page anew; a file whose answers differ is not left behind.

    Returns:
        Where both are, the file's SHA-256, and either the largest difference or why nothing was compared.

    Raises:
        RunDirectoryError: no finished erase run, or a place that cannot be written.
        Unavailable: the extra `onnx` is not installed.
        ModelError: the network cannot be exported, or answers otherwise afterwards.
    """
    run = load_run(settings.run, factory=settings.factory)
    if run.kind != "erase" or "handoff" not in run.metrics:
        raise RunDirectoryError("run (--run)", expected="a finished `expunge erase`", came=str(settings.run))
    if settings.threads:
        torch.set_num_threads(settings.threads)
    model = run.model.classifier
    desk.stage("exporting")
    part = settings.onnx.with_name(f".{settings.onnx.name}.part")
    with disk_errors(settings.onnx):
        settings.onnx.parent.mkdir(parents=True, exist_ok=True)
        try:
            export_onnx(model, part)
            desk.stage("comparing answers")
            check = _checked(model, part, settings.onnx.name)
            os.replace(part, settings.onnx)
        finally:
            part.unlink(missing_ok=True)
        page = run.path / PAGE
        write_page(handoff_html(handoff(run.path, run.job, run.metrics, check)), page)
    found = {"sha256": check.sha256, "difference": None if check.unchecked else check.difference}
    return {
        "onnx": str(settings.onnx),
        **found,
        "tolerance": check.tolerance,
        "page": str(page),
        "note": check.unchecked,
    }


def _checked(model: PixelClassifier, path: Path, name: str) -> OnnxCheck:
    written = functools.partial(
        OnnxCheck, file=name, sha256=hash_file(path, "onnx"), size_bytes=path.stat().st_size, opset=OPSET
    )
    try:
        difference, tolerance, pictures = onnx_difference(model, path)
    except Unavailable:
        return written(unchecked="onnxruntime is not installed")
    return written(pictures=pictures, difference=difference, tolerance=tolerance)
