"""Where pictures would lie had a model not learned them, and how far they are from there: transport on a line.

Pictures as a model sees them flow in; a place for each of them, or a number, flows out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

BLOCK = 1 << 12  # pictures whose neighbours are compared at once
ENOUGH = 8  # pictures of a label on either side, for these to be compared among themselves


@dataclass(frozen=True)
class Cloud:
    """Some pictures as a model sees them.

    Args:
        features: [n, d]. losses, entropies: [n], in nats. labels: int64 [n, k].
    """

    features: Tensor
    losses: Tensor
    entropies: Tensor
    labels: Tensor

    def __getitem__(self, rows: Tensor) -> Cloud:
        """Those in these rows (int64, or bool [n])."""
        return Cloud(self.features[rows], self.losses[rows], self.entropies[rows], self.labels[rows])

    def to(self, device: torch.device) -> Cloud:
        """The same on another device."""
        features, losses = self.features.to(device), self.losses.to(device)
        return Cloud(features, losses, self.entropies.to(device), self.labels.to(device))


def unseen_places(pictures: Cloud, known: Cloud, unseen: Cloud, *, near: int) -> Cloud:
    r"""For each picture that a model has learned, where pictures like it lie that it has not.

    A model gives what it learned lower losses than what it did not, but keeps their order: within a label, the
    picture at some quantile of the losses of known pictures is moved to the same quantile of the unseen ones,

    $$v_i = Q^{unseen}_{y_i}\bigl(F^{known}_{y_i}(\ell_i)\bigr).$$

    That is optimal transport on a line, for every convex cost. The entropies of answers are moved in the same way, by
    their own quantiles: a loss alone can be had by being sure of a wrong label. Features of the place are those of the
    nearest in cosine among `near` unseen pictures around the quantile of the loss. Labels that fewer than eight known
    or unseen pictures have are compared with pictures of all labels.

    Args:
        pictures: to be placed. known: of pictures that were learned, too. unseen: of others, one or more.
        near: number of unseen pictures, the nearest in loss, out of which features are chosen.

    Returns:
        Losses, entropies and features of the places, with the labels of the pictures.

    Example:
        >>> zero = torch.zeros(9, 1, dtype=torch.int64)
        >>> known = Cloud(torch.ones(9, 1), torch.arange(9) / 10, torch.arange(9) / 10, zero)
        >>> unseen = Cloud(torch.ones(9, 1), torch.arange(9) / 2, torch.arange(9) / 2, zero)
        >>> unseen_places(known[torch.tensor([0, 4, 8])], known, unseen, near=1).losses.tolist()
        [0.0, 2.0, 4.0]

    Reference: transport on a line is Peyre and Cuturi 2019 (arXiv 1803.00567); that it makes losses unseen is ours.
    """
    losses, entropies = torch.empty_like(pictures.losses), torch.empty_like(pictures.entropies)
    features = torch.empty_like(pictures.features)
    for label in pictures.labels.unique(dim=0):
        own, learned, other = ((cloud.labels == label).all(1) for cloud in (pictures, known, unseen))
        if min(int(learned.sum()), int(other.sum())) < ENOUGH:
            learned, other = torch.ones_like(learned), torch.ones_like(other)
        there = unseen[other]
        there = there[there.losses.argsort(stable=True)]
        for rows in own.nonzero()[:, 0].split(BLOCK):
            at = _quantiles(pictures.losses[rows], known.losses[learned], len(there.losses))
            losses[rows] = there.losses[at]
            features[rows] = _most_alike(pictures.features[rows], there.features, at, near)
            unsure = _quantiles(pictures.entropies[rows], known.entropies[learned], len(there.entropies))
            entropies[rows] = there.entropies.sort().values[unsure]
    return Cloud(features, losses, entropies, pictures.labels)


def _quantiles(values: Tensor, among: Tensor, count: int) -> Tensor:
    """Position (int64) out of `count`, at the share of others that are smaller; half of those that are the same."""
    ordered = among.sort().values
    below, upto = (torch.searchsorted(ordered, values, right=right) for right in (False, True))
    return ((below + upto) * count // (2 * len(ordered))).clamp(max=count - 1)


def _most_alike(features: Tensor, there: Tensor, at: Tensor, near: int) -> Tensor:
    """The features most like a picture's own among the `near` rows around its position."""
    near = min(near, len(there))
    first = (at - near // 2).clamp(0, len(there) - near)
    around = there[first[:, None] + torch.arange(near)]
    best = cosine_similarity(features[:, None].float(), around.float(), dim=2).argmax(1)
    return around[torch.arange(len(at)), best]


def unseen_distance(
    pictures: Cloud, places: Cloud, *, feature_weight: float = 1.0, entropy_weight: float = 1.0
) -> Tensor:
    r"""What it takes to move pictures to their places, losses and entropies only upwards.

    $$D = \tfrac1n \sum_i (v_i - \ell_i)_+ + \gamma\, (w_i - H_i)_+ + \beta\, (1 - \cos(h_i, u_i))$$

    with losses $\ell$, entropies $H$ and features $h$ of the pictures, $v$, $w$ and $u$ of their places. A picture
    whose loss has arrived is left alone: lowering it would be learning it.

    Args:
        pictures: n of them; what is to be moved carries gradients.
        places: where to, one each.
        feature_weight: beta, in nats per unit of cosine distance. entropy_weight: gamma.

    Returns:
        A scalar, 0 or more, in nats.

    Example:
        >>> labels = torch.tensor([[0], [1]])
        >>> there = Cloud(torch.eye(2), torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.5]), labels)
        >>> here = Cloud(torch.eye(2), torch.tensor([0.5, 2.5]), torch.tensor([0.5, 0.25]), labels)
        >>> float(unseen_distance(here, there))
        0.375

    Reference: the distance of DLFD (Choi and Na 2025, arXiv 2409.14747) turned around: towards what is unseen.
    """
    rise = (places.losses - pictures.losses.float()).clamp(min=0)
    unsure = (places.entropies - pictures.entropies.float()).clamp(min=0)
    apart = 1 - cosine_similarity(pictures.features.float(), places.features.float(), dim=1)
    return (rise + entropy_weight * unsure + feature_weight * apart).mean()
