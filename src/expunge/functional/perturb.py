"""Signed-gradient ascent on pictures within a box around them, in pixel units. Callables and tensors only."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def ascend(
    x: Tensor, objective: Callable[[Tensor], Tensor], *, radius: float, steps: int, step_size: float | None = None
) -> Tensor:
    r"""Pictures that (locally) maximise `objective` within $|\delta|_\infty \le$ `radius` of `x`, clipped to 0..1.

    Args:
        x: float [b, C, H, W] in 0..1.
        objective: maps pictures like `x` to a scalar; parameters inside it should be frozen.
        radius: largest change of a pixel, in units of the full range 0..1.
        steps: number of steps (>= 0).
        step_size: change per step; 2.5 * radius / steps where None, so that the border can be reached and turned at.

    Returns:
        perturbed pictures, detached, float [b, C, H, W] in 0..1.

    Example:
        >>> ascend(torch.full((1, 1, 1, 1), 0.5), lambda z: z.sum(), radius=0.1, steps=3).item()
        0.6000000238418579

    Reference: projected gradient descent after Madry et al. 2018; as used by Choi and Na 2025.
    """
    step = step_size if step_size is not None else 2.5 * radius / max(1, steps)
    low, high = (x - radius).clamp_(min=0), (x + radius).clamp_(max=1)
    z = x.detach()
    for _ in range(steps):
        z = z.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(objective(z), z)
        z = torch.clamp(z.detach() + step * gradient.sign(), low, high)
    return z.detach()
