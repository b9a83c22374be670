"""Classification losses and hits for one or several attributes. Logits and labels in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def per_example_loss(logits: Tensor, labels: Tensor, *, sizes: Sequence[int]) -> Tensor:
    """Cross entropy of every picture, averaged over attributes.

    Args:
        logits: [b, sum(sizes)], the attributes' logits side by side.
        labels: int64 [b, k].
        sizes: number of classes of each of the k attributes.

    Returns:
        float32 [b], in nats (computed in float32 whatever the precision of the logits).

    Example:
        >>> per_example_loss(torch.zeros(1, 4), torch.tensor([[2]]), sizes=(4,))
        tensor([1.3863])
    """
    parts = torch.split(logits.float(), list(sizes), dim=1)
    losses = [cross_entropy(part, labels[:, i], reduction="none") for i, part in enumerate(parts)]
    return torch.stack(losses).mean(0)


def mean_loss(logits: Tensor, labels: Tensor, *, sizes: Sequence[int]) -> Tensor:
    """Mean of `per_example_loss` over the batch: a scalar in nats."""
    return per_example_loss(logits, labels, sizes=sizes).mean()


def per_example_entropy(logits: Tensor, *, sizes: Sequence[int]) -> Tensor:
    """Entropy of the answer to every picture, averaged over attributes.

    Args:
        logits: [b, sum(sizes)], the attributes' logits side by side.
        sizes: number of classes of each attribute.

    Returns:
        float32 [b], in nats: 0 (sure of one class) to the logarithm of the number of classes.

    Example:
        >>> per_example_entropy(torch.zeros(1, 4), sizes=(4,))
        tensor([1.3863])
    """
    parts = [part.log_softmax(1) for part in torch.split(logits.float(), list(sizes), dim=1)]
    return torch.stack([-(part.exp() * part).sum(1) for part in parts]).mean(0)


def correct(logits: Tensor, labels: Tensor, *, sizes: Sequence[int], top: int = 1) -> Tensor:
    """Share of attributes whose label is among the `top` highest logits, per picture.

    Args:
        logits: [b, sum(sizes)]. labels: int64 [b, k]. sizes: classes of each attribute.
        top: how many guesses count; attributes with no more classes than that are left out.

    Returns:
        float32 [b] in 0..1; NaN where no attribute has more than `top` classes.

    Example:
        >>> correct(torch.tensor([[0.1, 0.9, 0.5]]), torch.tensor([[2]]), sizes=(3,), top=2)
        tensor([1.])
    """
    hits = [
        (part.topk(top, dim=1).indices == labels[:, i : i + 1]).any(1).float()
        for i, part in enumerate(torch.split(logits.float(), list(sizes), dim=1))
        if part.shape[1] > top
    ]
    return torch.stack(hits).mean(0) if hits else torch.full((len(logits),), torch.nan)
