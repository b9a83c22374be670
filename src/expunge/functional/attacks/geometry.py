"""Membership signals that look behind the logits: the gradient of the last layer, and where a picture's features lie.

Features, logits and labels in, one float64 number per picture out; higher means less like a member.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from expunge.errors import Unavailable
from expunge.functional.attacks.signals import scaled_confidence
from expunge.functional.stats import mean_of

Array = np.ndarray[Any, np.dtype[Any]]


def gradient_norm(features: Array, logits: Array, labels: Array, *, sizes: Sequence[int]) -> Array:
    r"""How hard a picture still pulls on the weights of the last linear layer. Members tend to pull less.

    $$\|\nabla_W \ell\|_F = \|p - e_y\|_2 \, \|h\|_2 \quad\text{for}\quad \text{logits} = W h + b$$

    In closed form, so that no backward pass is needed; the other layers' gradients are not in it.

    Args:
        features: inputs h of the last layer, [n, d].
        logits: [n, sum(sizes)], the attributes' logits side by side; the loss is the mean over attributes.
        labels: int [n, k].
        sizes: number of classes of each of the k attributes.

    Returns:
        float64 [n].

    Reference: Nasr et al. 2019 (arXiv 1812.00910) attack with gradients of all layers; this is one layer's norm.

    Example:
        >>> gradient_norm(np.array([[3.0, 4.0]]), np.zeros((1, 2)), np.array([[0]]), sizes=(2,)).round(4)
        array([3.5355])
    """
    at = np.arange(len(labels))
    pulls = []
    for i, part in enumerate(np.split(np.asarray(logits, dtype=np.float64), np.cumsum(sizes)[:-1], axis=1)):
        pull = softmax(part, axis=1)
        # 1 - p from the log odds: a confident answer has lost the digits of the difference
        pull[at, labels[:, i]] = expit(-scaled_confidence(part, labels[:, i : i + 1], sizes=(sizes[i],)))
        pulls.append(pull)
    pulled = np.concatenate(pulls, axis=1) / len(sizes)
    return np.asarray(np.linalg.norm(pulled, axis=1) * np.linalg.norm(features.astype(np.float64), axis=1))


def centre_distance(features: Array, labels: Array, centred: Array, centred_labels: Array) -> Array:
    r"""How far a picture's features lie from the centre of its class among other pictures. Members tend to lie nearer.

    $$\|h - \mu_y\|_2$$

    Mean over attributes. The pictures that make the centres are neither the members nor the non-members asked about,
    so that none of these is its own neighbour. The measure is ours.

    Args:
        features: [n, d]. labels: int [n, k].
        centred, centred_labels: of the pictures that make the centres, [m, d] and int [m, k].

    Returns:
        float64 [n].

    Raises:
        Unavailable: a class has no picture to make its centre.

    Example:
        >>> centre_distance(np.array([[3.0, 4.0]]), np.array([[0]]), np.zeros((1, 2)), np.array([[0]]))
        array([5.])
    """
    around, asked = np.asarray(centred, dtype=np.float64), np.asarray(features, dtype=np.float64)
    parts = []
    for i in range(labels.shape[1]):
        classes, index = np.unique(labels[:, i], return_inverse=True)
        if missing := [str(c) for c in classes if not (centred_labels[:, i] == c).any()]:
            raise Unavailable(f"not estimable: no retain picture has class {', '.join(missing)}")
        centres = np.stack([around[centred_labels[:, i] == c].mean(0) for c in classes])
        parts.append(np.linalg.norm(asked - centres[index], axis=1))
    return mean_of(parts)
