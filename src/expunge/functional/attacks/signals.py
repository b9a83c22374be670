"""What one model's answer to one picture says about membership, without any other model.

Logits and labels in, one float64 number per picture out; the mean over attributes where there are several, as losses
are. Each function gives its quantity with its natural sign; `membership_scores` turns all so that higher means member.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit, logsumexp

from expunge.functional.stats import mean_of

Array = np.ndarray[Any, np.dtype[Any]]


def loss(logits: Array, labels: Array, *, sizes: Sequence[int]) -> Array:
    r"""Cross entropy: how surprised the model is by the label. Members tend to have a low one.

    $$\ell = -\log p_y$$

    Args:
        logits: [n, sum(sizes)], the attributes' logits side by side.
        labels: int [n, k].
        sizes: number of classes of each of the k attributes.

    Returns:
        float64 [n], in nats.

    Reference: Yeom et al. 2018.

    Example:
        >>> loss(np.zeros((1, 4)), np.array([[2]]), sizes=(4,)).round(4)
        array([1.3863])
    """
    return _mean(_loss, logits, labels, sizes)


def entropy(logits: Array, labels: Array, *, sizes: Sequence[int]) -> Array:
    r"""How undecided the answer is, whatever the label. Members tend to have a low one.

    $$H = -\sum_i p_i \log p_i$$

    Args and Returns as in `loss`; the labels are not looked at.

    Reference: Salem et al. 2019.
    """
    return _mean(_entropy, logits, labels, sizes)


def modified_entropy(logits: Array, labels: Array, *, sizes: Sequence[int]) -> Array:
    r"""Entropy that knows the label: low where the model is sure *and right*, high where it is sure and wrong.

    $$M = -(1 - p_y) \log p_y - \sum_{i \ne y} p_i \log(1 - p_i)$$

    Args and Returns as in `loss`.

    Reference: Song and Mittal 2021. Code in circulation under this name computes other sums; a test holds this one
    against the definition.

    Example:
        >>> modified_entropy(np.log([[0.5, 0.25, 0.25]]), np.array([[0]]), sizes=(3,)).round(4)
        array([0.4904])
    """
    return _mean(_modified_entropy, logits, labels, sizes)


def confidence(logits: Array, labels: Array, *, sizes: Sequence[int]) -> Array:
    """Probability of the label, 0..1: members tend to have a high one. Args as in `loss`."""
    return _mean(_confidence, logits, labels, sizes)


def margin(logits: Array, labels: Array, *, sizes: Sequence[int]) -> Array:
    r"""Lead of the label's logit over the best other one: above 0 exactly where the model is right.

    $$z_y - \max_{i \ne y} z_i$$

    Args and Returns as in `loss`.

    Example:
        >>> margin(np.array([[3.0, 1.0, 0.0]]), np.array([[1]]), sizes=(3,))
        array([-2.])
    """
    return _mean(_margin, logits, labels, sizes)


def scaled_confidence(logits: Array, labels: Array, *, sizes: Sequence[int]) -> Array:
    r"""Log odds of the label: the confidence on a scale where shadow models scatter about normally.

    $$\varphi = \log p_y - \log(1 - p_y) = z_y - \log \sum_{i \ne y} e^{z_i}$$

    The right-hand side, the margin that KLoM is computed on, is the same number; computed so, it stays exact where the
    probability rounds to 0 or 1.

    Args and Returns as in `loss`.

    Reference: Carlini et al. 2022 (LiRA).

    Example:
        >>> scaled_confidence(np.array([[0.0, 30000.0]]), np.array([[0]]), sizes=(2,))
        array([-30000.])
    """
    return _mean(_log_odds, logits, labels, sizes)


# which way each quantity points: +1 where members have more of it
SIGNALS: Mapping[str, tuple[Callable[..., Array], int]] = {
    "loss": (loss, -1),
    "entropy": (entropy, -1),
    "modified_entropy": (modified_entropy, -1),
    "confidence": (confidence, +1),
    "margin": (margin, +1),
    "scaled_confidence": (scaled_confidence, +1),
}


def membership_scores(logits: Array, labels: Array, *, sizes: Sequence[int]) -> dict[str, Array]:
    """Every signal by its name, turned so that higher means member: float64 [n] each. Args as in `loss`."""
    return {name: sign * signal(logits, labels, sizes=sizes) for name, (signal, sign) in SIGNALS.items()}


def _mean(signal: Callable[[Array, Array], Array], logits: Array, labels: Array, sizes: Sequence[int]) -> Array:
    parts = np.split(np.asarray(logits, dtype=np.float64), np.cumsum(sizes)[:-1], axis=1)
    return mean_of([signal(part, labels[:, i]) for i, part in enumerate(parts)])


def _others(z: Array, y: Array) -> Array:
    """The logits with the label's struck out."""
    struck = z.copy()
    struck[np.arange(len(y)), y] = -np.inf
    return struck


def _label(z: Array, y: Array) -> Array:
    return np.asarray(z[np.arange(len(y)), y])


def _log_odds(z: Array, y: Array) -> Array:
    return np.asarray(_label(z, y) - logsumexp(_others(z, y), axis=1))


def _loss(z: Array, y: Array) -> Array:
    # log(1 + e^-phi): keeps its digits where p_y is so near 1 that its logarithm would round to 0
    return np.logaddexp(0.0, -_log_odds(z, y))


def _confidence(z: Array, y: Array) -> Array:
    return np.asarray(expit(_log_odds(z, y)))


def _margin(z: Array, y: Array) -> Array:
    return np.asarray(_label(z, y) - _others(z, y).max(1))


def _entropy(z: Array, _y: Array) -> Array:
    log_p = z - logsumexp(z, axis=1, keepdims=True)
    return np.asarray(-(np.exp(log_p) * log_p).sum(1))


def _modified_entropy(z: Array, y: Array) -> Array:
    p = np.exp(z - logsumexp(z, axis=1, keepdims=True))
    top = z.argmax(1)
    rest = np.log1p(-np.where(p > 0.5, 0.0, p))
    # only the highest probability can be near 1, where 1 - p has lost its digits: there from the log odds
    rest[np.arange(len(y)), top] = -np.logaddexp(0.0, _log_odds(z, top))
    wrong = p * rest
    wrong[np.arange(len(y)), y] = 0.0
    phi = _log_odds(z, y)
    return np.asarray(expit(-phi) * np.logaddexp(0.0, -phi) - wrong.sum(1))
