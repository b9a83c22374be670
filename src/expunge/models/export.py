"""A classifier as an ONNX file, and the comparison of its answers with the classifier's own.

A classifier and a path flow in; a file and a difference flow out. ONNX is an optional extra, imported when used.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from expunge.errors import ModelError, Unavailable
from expunge.models.classifier import PixelClassifier
from expunge.models.predict import answers, noise

INPUT, OUTPUT = "pictures", "logits"
OPSET = 20
EXPORTED = 2  # pictures shown to the exporter; one would let it take their number for fixed
BATCHES = (1, 2, 5)
TOLERANCE = 1e-4  # of the largest logit, or of 1 where that is smaller: other kernels round in another order


def export_onnx(model: PixelClassifier, path: Path) -> None:
    """Write `model` as one ONNX file, with its normalisation inside.

    Args:
        model: on the CPU. Pictures, float32 [n, C, H, W] in 0..1, go in; logits, float32 [n, c], come out; any n.
        path: of the file; one that is there is replaced.

    Raises:
        Unavailable: onnx or onnxscript is not installed.
        ModelError: the network does something that ONNX has no words for.
    """
    for package in ("onnx", "onnxscript"):
        _optional(package)
    pictures = noise(model.preprocessing, EXPORTED)
    shapes = ({0: torch.export.Dim("n")},)
    try:
        with _quiet(), torch.no_grad():
            # a copy: exporting leaves its traces in a network
            program = torch.onnx.export(
                copy.deepcopy(model).eval(),
                (pictures,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=shapes,
                verbose=False,
            )
    except Exception as error:  # the exporter raises many kinds
        came = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        raise ModelError("onnx (--onnx)", expected="a network that can be exported", came=came) from error
    if program is None:
        raise TypeError("the exporter of torch answered with nothing")
    program.save(path, external_data=False)


def onnx_difference(model: PixelClassifier, path: Path) -> tuple[float, float, int]:
    """How far the answers of an ONNX file are from those of `model`, on pictures of noise.

    Returns:
        The largest difference of two logits, what is tolerated, and how many pictures were shown.

    Raises:
        Unavailable: onnxruntime is not installed.
        ModelError: the file cannot be run, or answers otherwise than the model.
    """
    runtime = _optional("onnxruntime")
    pictures = noise(model.preprocessing, sum(BATCHES))
    ours = answers(model, pictures)
    theirs = torch.cat([torch.from_numpy(part) for part in _run(runtime, path, pictures)])
    if theirs.shape != ours.shape:
        expected = f"logits of shape {list(ours.shape)}"
        raise ModelError("onnx (--onnx)", expected=expected, came=f"{list(theirs.shape)} from {path}")
    difference, tolerance = float((theirs - ours).abs().max()), TOLERANCE * max(1.0, float(ours.abs().max()))
    if not difference <= tolerance:  # NaN is no agreement
        expected = f"the model's logits, give or take {tolerance:.2g}"
        raise ModelError("onnx (--onnx)", expected=expected, came=f"a difference of {difference:.2g} in {path}")
    return difference, tolerance, len(pictures)


def _run(runtime: ModuleType, path: Path, pictures: torch.Tensor) -> list[Any]:
    try:
        session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return [session.run([OUTPUT], {INPUT: part.numpy()})[0] for part in pictures.split(list(BATCHES))]
    except Exception as error:  # the runtime raises kinds of its own
        came = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        raise ModelError("onnx (--onnx)", expected=f"a file that runs in {path}", came=came) from error


def _optional(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise Unavailable(f"onnx: {package} is not installed; install expunge[onnx]") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells on all channels of libraries that nobody asked for."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
