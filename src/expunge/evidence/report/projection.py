"""Maps of penultimate features: several models' features of the same pictures flow in, points in one plane flow out.

All models share one map, so that what moved can be seen. Deterministic; distances between far groups mean little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from expunge.evidence.report.data import Array

POINTS = 400  # of each model
FEW = 60
DIMENSIONS = 30
SEED = 0
Projection = Literal["report", "tsne"]
PROJECTIONS: tuple[str, ...] = get_args(Projection)


def feature_maps(features: Sequence[Array], projection: Projection = "report") -> tuple[list[Array], Array]:
    """One joint 2-D map of the features of several models.

    Args:
        features: of each model, of the same s pictures, float [s, d].
        projection: `report` takes principal components (30) first, then t-SNE, and principal components alone where
            points are few; `tsne` is t-SNE of the features as they are.

    Returns:
        points [c, 2] of each model, and the positions [c] of the pictures shown; c is at most 400.

    Example:
        >>> features = np.arange(12.0).reshape(6, 2)
        >>> maps, chosen = feature_maps([features, features])
        >>> maps[0].shape, chosen.tolist()
        ((6, 2), [0, 1, 2, 3, 4, 5])
    """
    count = min(map(len, features))
    chosen = np.arange(count)
    if count > POINTS:
        chosen = np.sort(np.random.default_rng(SEED).choice(count, POINTS, replace=False))
    together = np.concatenate([np.asarray(one)[chosen] for one in features]).astype(np.float64)
    # a broken model may answer with infinities; a map with a hole is better than no report
    together = np.nan_to_num(together, nan=0.0, posinf=0.0, neginf=0.0)
    # threads add up in another order each time, and t-SNE amplifies that into another map
    with threadpool_limits(limits=1):
        points = _plane(together, projection)
    return np.split(points, len(features)), chosen


def _plane(features: Array, projection: Projection) -> Array:
    from sklearn.decomposition import PCA

    if features.shape[1] < 2:
        features = np.pad(features, ((0, 0), (0, 2 - features.shape[1])))
    if not features.std(axis=0).any():
        return np.zeros((len(features), 2))
    if projection == "tsne":
        return _neighbours(features, iterations=1000)
    if len(features) < FEW:
        return np.asarray(PCA(2, svd_solver="full").fit_transform(features))
    reduced = PCA(min(DIMENSIONS, *features.shape), svd_solver="full").fit_transform(features)
    return _neighbours(reduced / reduced[:, 0].std(), iterations=600)


def _neighbours(features: Array, *, iterations: int) -> Array:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, len(features) / 4)
    tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=SEED, max_iter=iterations)
    return np.asarray(tsne.fit_transform(features))
