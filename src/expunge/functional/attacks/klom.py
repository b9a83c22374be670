"""KLoM: how far apart, picture by picture, the margins of unlearned and of retrained models are distributed."""

from __future__ import annotations

from typing import Any

import numpy as np

from expunge.functional.attacks.floor import BesideFloor, same_models

Array = np.ndarray[Any, np.dtype[Any]]
BINS = 20
CLIP = 100.0
FLOOR = 1e-5


def klom(unlearned: Array, retrained: Array, again: Array) -> BesideFloor:
    """`binned_kl` of unlearned against retrained models, beside that of other retrained models against the same.

    With few models a histogram of 20 bins is far from its distribution: even perfect unlearning is far above 0 then,
    and only the comparison with the floor says something.

    Args:
        unlearned: margins (`scaled_confidence`) of N unlearned models, [N, n].
        retrained, again: of two groups of N retrained models, [N, n] each, with no model in both.

    Returns:
        float64 [n] each, in nats; lower is nearer to retraining, the floor the target.

    Raises:
        ValueError: the sides differ in their number of models.

    Reference: Georgiev et al. 2024 (arXiv 2410.23232); N = 100 there.
    """
    models = same_models(unlearned, retrained, again)
    return BesideFloor(binned_kl(unlearned, retrained), binned_kl(again, retrained), models)


def binned_kl(p: Array, q: Array) -> Array:
    r"""Kullback-Leibler divergence between two samples of margins, picture by picture, over 20 bins that both share.

    $$\mathrm{KL}(P \,\|\, Q) = \sum_b P_b \log \frac{P_b}{Q_b}$$

    The bins divide the joint range of a picture's margins, clipped to -100..100, evenly. Where p has margins and q has
    none, q counts as 1e-5 and is then normalised again, which bounds the divergence. Not symmetric: p is the unlearned
    side, whose margins retraining must be able to explain.

    Args:
        p, q: margins of models, [N, n] and [M, n].

    Returns:
        float64 [n], in nats, at least 0.

    Reference: Georgiev et al. 2024 (arXiv 2410.23232).
    Differs from published code, which loses the largest margin: it falls beyond the last bin there.

    Example:
        >>> binned_kl(np.array([[0.0], [20.0]]), np.array([[0.0], [20.0]]))
        array([0.])
    """
    ours, theirs = (np.clip(side.astype(np.float64), -CLIP, CLIP) for side in (p, q))
    low = np.minimum(ours.min(0), theirs.min(0))
    width = np.maximum(ours.max(0), theirs.max(0)) - low
    width = np.where(width > 0, width, 1.0)
    share_p, share_q = (_shares((side - low) / width) for side in (ours, theirs))
    floored = np.where(share_p > 0, np.maximum(share_q, FLOOR), share_q)
    floored = floored / floored.sum(1, keepdims=True)
    ratio = np.divide(share_p, floored, out=np.ones_like(share_p), where=share_p > 0)
    return np.asarray(np.maximum(0.0, (share_p * np.log(ratio)).sum(1)))  # rounding may fall a digit below 0


def _shares(position: Array) -> Array:
    """The share of models in each bin, [n, BINS], from positions 0..1 within the range; 1 belongs to the last bin."""
    models, pictures = position.shape
    column = np.minimum((position * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount((column + BINS * np.arange(pictures)).ravel(), minlength=BINS * pictures)
    return np.asarray(counts.reshape(pictures, BINS) / models)
