"""How far a student's answers are from a teacher's. Logits in, a number out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def distillation(student: Tensor, teacher: Tensor, *, sizes: Sequence[int], temperature: float = 1.0) -> Tensor:
    r"""Divergence of the student's answers from the teacher's, mean over pictures and attributes.

    $$T^2 \; \mathrm{KL}\!\left(\sigma(t / T) \,\|\, \sigma(s / T)\right)$$

    Args:
        student, teacher: logits [b, sum(sizes)]; the gradient of both is defined.
        sizes: number of classes of each attribute.
        temperature: T, above 0; higher ones weigh unlikely classes more.

    Returns:
        A scalar in nats, 0 where both answer alike (computed in float32 whatever the precision of the logits).

    Example:
        >>> round(float(distillation(torch.tensor([[0.0, 0.0]]), torch.tensor([[9.0, -9.0]]), sizes=(2,))), 4)
        0.6931

    Reference: Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network".
    """
    ours, theirs = (torch.split(logits.float() / temperature, list(sizes), dim=1) for logits in (student, teacher))
    divergences = [
        kl_div(log_softmax(s, 1), log_softmax(t, 1), log_target=True, reduction="batchmean")
        for s, t in zip(ours, theirs, strict=True)
    ]
    return torch.stack(divergences).mean() * temperature**2
