"""What unseen pictures look like, and how far others are from it as a distribution: transport of features and losses.

Tensors in; rows of comparable pictures, or a number, out. What "unseen" looks like is handed in as features, losses
and labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.functional.ot import cosine_cost, plan

BLOCK = 1 << 24  # pairs compared at once
MISMATCH = 10.0  # nats: what it costs to be moved onto another label; more than losses of the same label differ


@dataclass(frozen=True)
class Unseen:
    """A sample of m pictures as a model sees them that has not learned them.

    Args:
        features: [m, d]. losses: [m], in nats. labels: int64 [m, k].
    """

    features: Tensor
    losses: Tensor
    labels: Tensor

    def draw(self, size: int, seed: int) -> Unseen:
        """At most `size` of them, by `seed`."""
        if size >= len(self.losses):
            return self
        rows = torch.randperm(len(self.losses), generator=torch.Generator().manual_seed(seed))[:size]
        return Unseen(self.features[rows], self.losses[rows], self.labels[rows])

    def to(self, device: torch.device) -> Unseen:
        """The same on another device."""
        return Unseen(self.features.to(device), self.losses.to(device), self.labels.to(device))


def comparable(losses: Tensor, labels: Tensor, others: Unseen, *, near: int, seed: int) -> Tensor:
    """For each picture another one of its label that is about as hard: one of the `near` nearest in loss, at random.

    How hard a picture is has to be told by a model that remembers neither side. Losses are compared by their
    logarithms, from .01 nats on; another label (of several attributes: their share) counts `MISMATCH`.

    Args:
        losses: [n] of the pictures, under that model. labels: int64 [n, k].
        others: m > 0 pictures, their losses under the same model.
        near: how many are near. seed: of the choice among them.

    Returns:
        Rows of the others, int64 [n].

    Example:
        >>> others = Unseen(torch.zeros(3, 1), torch.tensor([0.1, 1.0, 0.1]), torch.tensor([[0], [0], [1]]))
        >>> comparable(torch.tensor([0.2, 2.0]), torch.tensor([[0], [0]]), others, near=1, seed=0).tolist()
        [0, 1]
    """
    near = min(near, len(others.losses))
    hard, harder = _logarithm(losses), _logarithm(others.losses)
    step = max(1, BLOCK // len(harder))
    nearest = []
    for some, labelled in zip(hard.split(step), labels.split(step), strict=True):
        differ = (labelled[:, None] != others.labels).float().mean(2)
        cost = (some[:, None] - harder).abs() + MISMATCH * differ
        nearest.append(cost.topk(near, dim=1, largest=False).indices)
    drawn = torch.randint(near, (len(losses), 1), generator=torch.Generator().manual_seed(seed))
    return torch.cat(nearest).gather(1, drawn)[:, 0]


def _logarithm(losses: Tensor) -> Tensor:
    return losses.float().clamp(min=0.01).log()


def unseen_distance(
    features: Tensor, losses: Tensor, labels: Tensor, unseen: Unseen, *, feature_weight: float = 1.0
) -> Tensor:
    r"""What it takes to move pictures onto the unseen ones, losses only upwards.

    $$P = \arg\min_P \sum_{ij} P_{ij} \bigl(\beta\, (1 - \cos(h_i, u_j)) + |\ell_i - v_j| + M [y_i \ne y_j]\bigr),
      \qquad D = \beta \sum_{ij} P_{ij} (1 - \cos(h_i, u_j))
      + \tfrac1n \sum_i \Bigl(n \sum_j P_{ij} v_j - \ell_i\Bigr)_+$$

    with features $h, u$, losses $\ell, v$ and labels $y$; the plan is held fixed in the gradient. A picture whose loss
    is already where it is moved to is left alone: lowering it would be learning it.

    Args:
        features: [n, d] and losses [n] of the pictures to be moved; both carry gradients.
        labels: int64 [n, k]; several attributes count by the share that differs.
        unseen: where to.
        feature_weight: beta, in nats per unit of cosine distance.

    Returns:
        A scalar, 0 or more, in nats.

    Example:
        >>> there = Unseen(torch.eye(2), torch.tensor([1.0, 2.0]), torch.tensor([[0], [1]]))
        >>> float(unseen_distance(torch.eye(2), torch.tensor([0.5, 2.5]), there.labels, there))
        0.25

    Reference: the distance of DLFD (Choi and Na 2025, arXiv 2409.14747) turned around: towards what is unseen.
    """
    n = len(losses)
    cosine = cosine_cost(features, unseen.features)
    rise = unseen.losses - losses.float()[:, None]
    other = (labels[:, None] != unseen.labels).float().mean(2)
    moved = plan(feature_weight * cosine + rise.abs() + MISMATCH * other, solver="exact")
    upwards = n * (moved * rise).sum(1)
    return feature_weight * (moved * cosine).sum() + upwards.clamp(min=0).mean()
