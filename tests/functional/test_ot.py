"""Transport against closed forms, an independent solver, and finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import ot
import pytest
import torch

from expunge.errors import MethodError
from expunge.functional.ot import cosine_cost, exact_plan, plan, sinkhorn_plan, transport


def clouds(n: int = 6, m: int = 6, d: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=made), torch.randn(m, d, generator=made)


def test_exact_transport_is_the_best_assignment() -> None:
    a, b = clouds()
    cost = cosine_cost(a, b)
    best = min(sum(cost[i, p[i]].item() for i in range(6)) / 6 for p in itertools.permutations(range(6)))
    assert float(transport(a, b, solver="exact")) == pytest.approx(best, abs=1e-6)


def test_costs_are_computed_in_float32_even_under_autocast() -> None:
    a, b = clouds()
    with torch.autocast("cpu", torch.bfloat16):
        inside = cosine_cost(a, b)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, cosine_cost(a, b))


def test_sinkhorn_agrees_with_an_independent_solver_and_keeps_its_marginals() -> None:
    a, b = clouds(7, 5)
    cost = cosine_cost(a, b)
    ours = sinkhorn_plan(cost, eta=0.1, error=1e-6)
    theirs = ot.sinkhorn(np.full(7, 1 / 7), np.full(5, 1 / 5), cost.double().numpy(), 0.1, stopThr=1e-10)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)
    torch.testing.assert_close(ours.sum(0), torch.full((5,), 0.2), atol=1e-5, rtol=0)
    assert (ours.sum(1) - 1 / 7).abs().sum() < 1e-6


def test_sinkhorn_tends_to_exact_as_entropy_vanishes() -> None:
    a, b = clouds()
    exact = float(transport(a, b, solver="exact"))
    gaps = [float(transport(a, b, solver="sinkhorn", eta=eta)) - exact for eta in (0.5, 0.1, 0.02)]
    assert gaps[0] > gaps[1] > gaps[2] > -1e-4


@pytest.mark.parametrize("solver", ["exact", "sinkhorn"])
def test_the_gradient_through_the_cost_alone_is_that_of_the_optimal_value(solver: str) -> None:
    """Envelope theorem: finite differences of the (regularised) optimum agree with the plan held fixed."""
    a, b = (t.double() for t in clouds())
    eta = 0.5

    def optimum(x: torch.Tensor) -> float:
        cost = cosine_cost(x, b)
        p = plan(cost, solver=solver, eta=eta) if solver == "exact" else sinkhorn_plan(cost, eta=eta, error=1e-6)
        entropy = 0.0 if solver == "exact" else eta * float((p * p.log()).sum())
        return float((p * cost).sum()) + entropy

    x = a.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(transport(x, b, solver=solver, eta=eta), x)  # type: ignore[arg-type]
    direction = torch.randn(a.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = 1e-2
    slope = (optimum(a + step * direction) - optimum(a - step * direction)) / (2 * step)
    assert slope == pytest.approx(float((gradient * direction).sum()), rel=0.05, abs=1e-4)


def test_an_unconverged_solver_raises_instead_of_answering() -> None:
    with pytest.raises(MethodError, match="marginal error"):
        sinkhorn_plan(cosine_cost(*clouds(30, 20)), eta=1e-3, max_iterations=20)


def test_entropy_must_be_positive() -> None:
    with pytest.raises(MethodError, match="eta"):
        sinkhorn_plan(torch.zeros(2, 2), eta=0.0)


def test_plans_have_uniform_marginals() -> None:
    p = exact_plan(cosine_cost(*clouds(4, 8)))
    torch.testing.assert_close(p.sum(1), torch.full((4,), 0.25))
    torch.testing.assert_close(p.sum(0), torch.full((8,), 0.125))
