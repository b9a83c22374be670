"""The gradient attack through the whole network: how hard a picture still pulls on all weights of a model.

Models, a task and what one of them answered flow in, rows flow out. The models are only looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.func import functional_call

from expunge.audits.observe import Observation
from expunge.audits.population import Scores, measured
from expunge.audits.resampling import DRAWS, evenly, resampling
from expunge.audits.rows import RowsBeside, rows_beside
from expunge.audits.statistics import ATTACKED, Estimates, Key
from expunge.functional.losses import mean_loss
from expunge.functional.stats import weighted_auroc
from expunge.models.classifier import PixelClassifier, inference_mode_of
from expunge.types import ErasureTask, PictureSet

Array = np.ndarray[Any, np.dtype[Any]]
MOST = 500  # pictures a side, as each takes a backward pass of its own
ALL_WEIGHTS = Key("full_gradient_auroc", ATTACKED)


def gradients(
    before: PixelClassifier | None,
    after: PixelClassifier,
    references: Sequence[PixelClassifier],
    task: ErasureTask,
    seen: Observation,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> RowsBeside:
    """How well the norm of the gradient tells forget pictures from non-members, at most 500 a side, of every model.

    Args:
        before: the original, or None. after: the audited model. references: retrained models; may be empty.
        task: the four sets. seen: what any of the models answered on it.
        seed, draws: as in `audit`, so that intervals are of the same resamples.
    """
    forget, reporting = seen["forget"], seen["reporting"]
    weights = resampling(seen, draws=draws, seed=seed)
    at = evenly(len(forget.ids), MOST), evenly(len(reporting.ids), MOST)
    asked = [s.subset(torch.from_numpy(i)) for s, i in zip((task.forget, task.reporting), at, strict=True)]

    def measure(model: PixelClassifier) -> Estimates:
        members, others = (-gradient_norms(model, pictures) for pictures in asked)
        return {ALL_WEIGHTS: measured(Scores(forget, reporting, members, others, at), weights, weighted_auroc)}

    first = None if before is None else measure(before)
    return rows_beside(first, measure(after), [measure(reference) for reference in references])


def gradient_norms(model: PixelClassifier, pictures: PictureSet) -> Array:
    r"""How hard each picture pulls on all parameters of a model in inference mode. Members tend to pull less.

    $$\|\nabla_\theta \ell\|_2$$

    Args:
        model: on any device; copies of its parameters are differentiated, nothing of it is touched.
        pictures: n pictures, one backward pass each.

    Returns:
        float64 [n].

    Reference: Nasr et al. 2019 (arXiv 1812.00910) attack with the gradients themselves; this is their norm alone.
    """
    device = model.mean.device
    weights = {name: value.detach().requires_grad_() for name, value in model.named_parameters()}
    norms = []
    with inference_mode_of(model), torch.autocast(device.type, enabled=False):
        for i in torch.arange(len(pictures)).split(1):
            logits = functional_call(model, weights, (pictures.pixels(i).to(device).float().div_(255),))
            loss = mean_loss(logits, pictures.labels[i].to(device), sizes=pictures.spec.sizes)
            # what the answer does not depend on has no gradient
            slopes = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
            norms.append(torch.stack([s.double().norm() for s in slopes if s is not None]).norm())
    return np.asarray(torch.stack(norms).cpu().numpy())
