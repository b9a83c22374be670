"""Answers of a model on many pictures: logits, and penultimate features where wanted. It never changes the model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.errors import ModelError
from expunge.models.classifier import PixelClassifier, inference_mode_of
from expunge.models.preprocessing import Preprocessing
from expunge.models.seeding import seeded
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

    Raises:
        ModelError: an answer is not finite, as after a training that diverged.
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
    answers = torch.cat(logits)
    if broken := int((~answers.isfinite()).any(dim=1).sum()):
        raise ModelError(
            "model",
            expected="finite answers",
            came=f"answers that are not, for {broken:,} of {len(pictures):,} pictures",
            remedy="if it was just trained, the training diverged: lower the learning rate",
        )
    return Predictions(answers, torch.cat(kept) if features else None)


def noise(shape: Preprocessing, count: int) -> Tensor:
    """Pictures of noise, float [count, C, H, W] in 0..1, the same every time."""
    return torch.rand(count, shape.channels, *shape.size, generator=torch.Generator().manual_seed(0))


def answers(model: PixelClassifier, pictures: Tensor) -> Tensor:
    """Logits [b, c] of `pictures` in 0..1, in inference mode and in the precision of the weights; also where a network
    draws random numbers the same every time."""
    with seeded(0), inference_mode_of(model), torch.no_grad(), torch.autocast("cpu", enabled=False):
        return model(pictures)  # type: ignore[no-any-return]
