"""Optimal transport between two clouds of features: costs, plans, and a transport term with a cheap gradient.

Tensors in, tensors out. The plan is held fixed in the gradient: by the envelope theorem the derivative of the
(regularised) transport cost with respect to the cost matrix is the plan itself, so nothing is unrolled.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from expunge.errors import MethodError

Solver = Literal["auto", "exact", "sinkhorn"]

# Measured on two cores (benchmarks/transport.py): up to about this side the exact solver is the faster one.
EXACT_UP_TO = 128


def cosine_cost(a: Tensor, b: Tensor) -> Tensor:
    """Pairwise cost 1 - cos(a_i, b_j).

    Args:
        a: [n, d]. b: [m, d].

    Returns:
        float32 [n, m] in 0..2; a zero vector costs 1 to everything.

    Example:
        >>> cosine_cost(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0], [3.0, 0.0]]))
        tensor([[1., 0.]])
    """
    # float32 even under autocast: in bf16 the cosine of near-parallel features is rounded to 1 and the gradient dies
    with torch.autocast(a.device.type, enabled=False):
        return 1 - normalize(a.float(), dim=1) @ normalize(b.float(), dim=1).T


def exact_plan(cost: Tensor) -> Tensor:
    """The plan of least cost between uniform marginals (network simplex; Bonneel et al. 2011, through POT).

    Args:
        cost: [n, m].

    Returns:
        float32 [n, m] on the device of `cost`; rows sum to 1/n, columns to 1/m.
    """
    import ot

    matrix = cost.detach().double().cpu().numpy()
    n, m = matrix.shape
    plan = ot.emd(np.full(n, 1 / n), np.full(m, 1 / m), matrix, numItermax=1_000_000)
    return torch.from_numpy(plan).to(cost.device, torch.float32)


def sinkhorn_plan(cost: Tensor, *, eta: float, error: float = 1e-3, max_iterations: int = 5000) -> Tensor:
    r"""The entropic plan: minimises $\langle P, C\rangle + \eta \sum_{ij} P_{ij}(\log P_{ij} - 1)$, in the log domain.

    Args:
        cost: [n, m].
        eta: strength of the entropy, in units of cost (> 0).
        error: largest allowed L1 error of the row marginals (columns are exact).
        max_iterations: after so many, unconverged, it raises rather than returning something else.

    Returns:
        float32 [n, m].

    Raises:
        MethodError: `eta` is not positive, or the marginal error is still above `error`.

    Reference: Cuturi 2013, "Sinkhorn distances", algorithm 1; log domain as in Peyre and Cuturi 2019, section 4.4.
    """
    if not eta > 0:
        raise MethodError("eta", expected="a number above 0", came=repr(eta))
    scaled = -cost.detach().float() / eta
    n, m = scaled.shape
    row, column = -math.log(n), -math.log(m)
    v = torch.zeros(m, device=cost.device)
    off = math.inf
    for iteration in range(1, max_iterations + 1):
        u = row - torch.logsumexp(scaled + v, dim=1)
        v = column - torch.logsumexp(scaled + u[:, None], dim=0)
        if iteration % 10 == 0:  # the check costs as much as an iteration
            off = float(((scaled + u[:, None] + v).exp().sum(1) - 1 / n).abs().sum())
            if off <= error:
                return (scaled + u[:, None] + v).exp()
    raise MethodError(
        "eta",
        expected=f"a marginal error of at most {error:g} within {max_iterations} iterations",
        came=f"{off:.3g} at eta {eta:g}",
        remedy="raise eta or use the exact solver",
    )


def plan(cost: Tensor, *, solver: Solver = "auto", eta: float = 0.05) -> Tensor:
    """The transport plan by the named solver; `auto` is exact up to 128 a side, entropic beyond."""
    if solver == "exact" or (solver == "auto" and max(cost.shape) <= EXACT_UP_TO):
        return exact_plan(cost)
    return sinkhorn_plan(cost, eta=eta)


def transport(a: Tensor, b: Tensor, *, solver: Solver = "auto", eta: float = 0.05) -> Tensor:
    """Transport cost between feature clouds under the cosine cost, differentiable in both.

    Args:
        a: [n, d]. b: [m, d]: features, uniform weights.

    Returns:
        scalar in 0..2: sum of plan times cost, with the plan held fixed in the gradient.

    Example:
        >>> a = torch.eye(3)
        >>> float(transport(a, a.flip(0)))
        0.0

    Reference: Choi and Na 2025 (arXiv 2409.14747), the distance of DLFD.
    """
    cost = cosine_cost(a, b)
    return (plan(cost, solver=solver, eta=eta) * cost).sum()
