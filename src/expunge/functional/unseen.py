"""How far pictures are, as a distribution, from looking unseen: transport in the joint space of features and losses.

Tensors in, a number out. What "unseen" looks like is handed in as a sample of features, losses and labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.functional.ot import cosine_cost, plan

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
