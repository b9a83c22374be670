"""Lays one picture over another as well as a small crop allows, and says how alike the pixels then are.

Grey pictures and a first guess of the crop flow in, correlations flow out. No hash and no person enters.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, conv2d, grid_sample, pad

COARSE_STEPS, FINE_STEPS = 3, 1
MARGIN = 0.03  # correlations at half the size differ by less from those at full size
LEAST_SCALE, MOST_SCALE = 0.84, 1.05
BEYOND = 0.04  # how far a window may reach past the border, which the first guess of a whole picture may need


def correlation(x: Tensor, y: Tensor) -> Tensor:
    r"""Zero-mean normalised correlation of pictures, float32 [b] in -1..1; a picture of one colour gives 0.

    .. math:: \frac{\langle x - \bar x, y - \bar y \rangle}{\|x - \bar x\| \, \|y - \bar y\|}

    It is the same for a brighter or more contrasted picture.

    Args:
        x, y: float32 [b, 1, s, s].

    Example:
        >>> x = torch.rand(1, 1, 8, 8)
        >>> round(correlation(x, 0.8 * x + 0.1).item(), 4)
        1.0
    """
    x, y = (t.flatten(1) - t.flatten(1).mean(1, keepdim=True) for t in (x, y))
    cosine: Tensor = (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1)).clamp(min=1e-6)
    return cosine


def aligned_correlation(x: Tensor, y: Tensor, window: Tensor, *, enough: float = -1.0) -> Tensor:
    r"""Correlation of `y` with the best small crop of `x` near a first guess: float32 [b] in -1..1.

    The crop's scales and shifts :math:`\theta` are improved by Gauss-Newton steps on
    :math:`\min_{\theta, \alpha, \beta} \| y - \alpha\, x(\theta) - \beta \|^2`, first at half the size. Both pictures
    are then smoothed a little, which hides how they were resized and compressed, and correlated.

    Args:
        x, y: grey pictures, float32 [b, 1, s, s], s even.
        window: float32 [b, 4], scale right, scale down, shift right, shift down, where the picture spans -1..1.
        enough: pairs that stay far (0.03) below it at half the size keep that lower correlation, which is quicker.

    Returns:
        The better of the correlations before and after the improvement.

    Reference: Lucas and Kanade 1981, with gain and bias as in Evangelidis and Psarakis 2008.
    """
    a, b = avg_pool2d(x, 2), avg_pool2d(y, 2)
    window, start = _improved(a, b, window, COARSE_STEPS), window
    scores = correlation(_look(a, window, "bilinear"), b)
    near = scores >= enough - MARGIN
    if near.any():
        scores[near] = _closely(x[near], y[near], start[near], window[near])
    return scores


def _closely(x: Tensor, y: Tensor, start: Tensor, window: Tensor) -> Tensor:
    """The better of the correlations through the first and through the improved window, at full size."""
    smooth = _smooth(y)
    windows = (start, _improved(x, y, window, FINE_STEPS))
    return torch.stack([correlation(_smooth(_look(x, one, "bicubic")), smooth) for one in windows]).amax(0)


def _improved(x: Tensor, y: Tensor, window: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        window = _confined(window + _step(_look(x, window, "bilinear"), y, window))
    return window


def _look(x: Tensor, window: Tensor, how: str) -> Tensor:
    """What is seen of `x` through each window, in the size of `x`."""
    theta = torch.zeros(len(x), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, 0, 2], theta[:, 1, 2] = window.unbind(1)
    return grid_sample(x, affine_grid(theta, list(x.shape), align_corners=False), how, "border", False)


def _smooth(x: Tensor) -> Tensor:
    weights = torch.tensor([0.25, 0.5, 0.25])
    return conv2d(pad(x, (1, 1, 1, 1), mode="replicate"), (weights[:, None] * weights)[None, None])


def _step(seen: Tensor, y: Tensor, window: Tensor) -> Tensor:
    """Change of the windows that a linear model asks for: float32 [b, 4]."""
    side = seen.shape[-1]
    down, right = torch.gradient(seen[:, 0], spacing=2 / side, dim=(1, 2))
    place = (torch.arange(side) + 0.5) * 2 / side - 1
    # derivatives in the window's own coordinates, hence divided by its scales
    right, down = right / window[:, 0, None, None], down / window[:, 1, None, None]
    moves = torch.stack([right * place, down * place[:, None], right, down], -1).flatten(1, 2)
    gain = torch.stack([seen[:, 0], torch.ones_like(seen[:, 0])], -1).flatten(1, 2)
    design = torch.cat([gain, moves], -1)
    # scaled columns and a little ridge: flat pictures have no gradient to follow
    length = design.norm(dim=1, keepdim=True).clamp(min=1e-6)
    design = design / length
    normal = design.mT @ design + 1e-5 * torch.eye(6)
    found = torch.linalg.solve(normal, design.mT @ y.flatten(1)[..., None])[..., 0] / length[:, 0]
    # a picture is no copy where its gain is not positive; the guard only keeps the step finite
    step: Tensor = found[:, 2:] / found[:, :1].clamp(min=0.1)
    return step


def _confined(window: Tensor) -> Tensor:
    scale = window[:, :2].clamp(LEAST_SCALE, MOST_SCALE)
    room = (1 + BEYOND - scale).clamp(min=0)
    return torch.cat([scale, torch.minimum(torch.maximum(window[:, 2:], -room), room)], 1)
