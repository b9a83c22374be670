"""Maps of penultimate features: two models' features of the same pictures flow in, points in one plane flow out.

Both models share one map, so that what moved can be seen. Deterministic; distances between far groups mean little.
"""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from expunge.evidence.report.data import Array

POINTS = 800
FEW = 60
DIMENSIONS = 30
SEED = 0


def feature_maps(before: Array, after: Array) -> tuple[tuple[Array, Array], Array]:
    """One joint 2-D map of the features of two models.

    Principal components (30) first, then t-SNE; principal components alone where points are few.

    Args:
        before, after: features of the same s pictures, float [s, d].

    Returns:
        points [c, 2] of each model, and the positions [c] of the pictures shown; 2c is at most 800.

    Example:
        >>> features = np.arange(12.0).reshape(6, 2)
        >>> maps, chosen = feature_maps(features, features)
        >>> maps[0].shape, chosen.tolist()
        ((6, 2), [0, 1, 2, 3, 4, 5])
    """
    count = min(len(before), len(after))
    chosen = np.arange(count)
    if 2 * count > POINTS:
        chosen = np.sort(np.random.default_rng(SEED).choice(count, POINTS // 2, replace=False))
    both = np.concatenate([np.asarray(before)[chosen], np.asarray(after)[chosen]]).astype(np.float64)
    # a broken model may answer with infinities; a map with a hole is better than no report
    both = np.nan_to_num(both, nan=0.0, posinf=0.0, neginf=0.0)
    # threads add up in another order each time, and t-SNE amplifies that into another map
    with threadpool_limits(limits=1):
        points = _plane(both)
    return (points[: len(chosen)], points[len(chosen) :]), chosen


def _plane(features: Array) -> Array:
    if features.shape[1] < 2:
        features = np.pad(features, ((0, 0), (0, 2 - features.shape[1])))
    if not features.std(axis=0).any():
        return np.zeros((len(features), 2))
    if len(features) < FEW:
        return np.asarray(PCA(2, svd_solver="full").fit_transform(features))
    reduced = PCA(min(DIMENSIONS, *features.shape), svd_solver="full").fit_transform(features)
    spread = reduced[:, 0].std()
    tsne = TSNE(2, perplexity=min(30.0, len(features) / 4), init="pca", random_state=SEED, max_iter=600)
    return np.asarray(tsne.fit_transform(reduced / spread))
