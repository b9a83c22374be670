"""Answers of a model on many pictures: logits, and penultimate features where wanted. It never changes the model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.models.classifier import PixelClassifier, inference_mode_of
from expunge.types import PictureSet


@dataclass(frozen=True)
class Predictions:
    """What a model answered.

    Args:
        logits: float32 [n, c] on the CPU.
        features: float32 [n, d] on the CPU, or None where not asked for.
    """

    logits: Tensor
    features: Tensor | None = None


def predict(
    model: PixelClassifier, pictures: PictureSet, *, batch_size: int = 256, features: bool = False
) -> Predictions:
    """Run `model` over `pictures` in inference mode, without gradients; the ambient autocast decides the precision.

    Args:
        model: on any device.
        pictures: n pictures.
        batch_size: pictures per forward pass.
        features: also return penultimate features.
    """
    device = model.mean.device
    logits, kept = [], []
    with inference_mode_of(model), torch.no_grad():
        for index in torch.split(torch.arange(len(pictures)), batch_size):
            x = pictures.pixels(index).to(device).float().div_(255)
            if features:
                caught, answer = model.features_and_logits(x)
                kept.append(caught.float().cpu())
            else:
                answer = model(x)
            logits.append(answer.float().cpu())
    return Predictions(torch.cat(logits), torch.cat(kept) if features else None)
