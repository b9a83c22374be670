"""Many-dimensional features on a plane, so that people can look at them.

Feature arrays of several models, row by row of the same pictures, flow in; positions on a plane flow out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from expunge.evidence.report.data import Array

POINTS = 800
ENOUGH = 60  # below this many points, neighbourhoods say less than plain directions
DIMENSIONS = 30


def sample_rows(n: int, *, forget: Array | None = None, points: int = POINTS) -> Array:
    """Which of `n` pictures to draw, in their order: at most `points`, up to half of them forget pictures.

    Example:
        >>> sample_rows(3).tolist(), len(sample_rows(5000))
        ([0, 1, 2], 800)
    """
    if n <= points:
        return np.arange(n)
    rng = np.random.default_rng(0)
    if forget is None:
        return np.sort(rng.choice(n, points, replace=False))
    inside, outside = np.flatnonzero(forget), np.flatnonzero(~np.asarray(forget, dtype=bool))
    few = min(len(inside), max(points // 2, points - len(outside)))
    chosen = (rng.choice(inside, few, replace=False), rng.choice(outside, points - few, replace=False))
    return np.sort(np.concatenate(chosen))


def plane(features: Sequence[Array]) -> list[Array]:
    """Positions float [n, 2] for each float [n, d] of `features`; deterministic.

    One principal-component basis serves all models with features of the same width; t-SNE (van der Maaten and
    Hinton, 2008) starts from its first two directions, so that maps of related models lie alike. Few points are
    shown by these two directions alone.

    Example:
        >>> [p.shape for p in plane([np.eye(4), 2 * np.eye(4)])]
        [(4, 2), (4, 2)]
    """
    with threadpool_limits(limits=1):  # sums in a fixed order: the same picture on the same machine
        return [_spread(components) for components in _components(features)]


def method_name(points: int) -> str:
    """How `plane` places so many points, in words."""
    return "t-SNE" if points >= ENOUGH else "principal components"


def _components(features: Sequence[Array]) -> list[Array]:
    widths = {each.shape[1] for each in features}
    bases = {width: _basis([each for each in features if each.shape[1] == width]) for width in widths}
    return [bases[each.shape[1]].transform(np.asarray(each, dtype=np.float64)) for each in features]


def _basis(features: Sequence[Array]) -> PCA:
    stacked = np.concatenate(features).astype(np.float64)
    return PCA(min(DIMENSIONS, *stacked.shape), svd_solver="full").fit(stacked)


def _spread(components: Array) -> Array:
    start = np.zeros((len(components), 2))
    start[:, : components.shape[1]] = components[:, :2]
    scale = float(start.std())
    if len(components) < ENOUGH or scale == 0:
        return start
    start = start / start[:, 0].std() * 1e-4 if start[:, 0].std() > 0 else start / scale * 1e-4
    mapping = TSNE(perplexity=30, init=start, learning_rate="auto", max_iter=500, random_state=0)
    placed: Array = mapping.fit_transform(components)
    return placed
