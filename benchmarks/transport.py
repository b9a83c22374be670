"""Which transport solver is faster at which size: the measurement behind the default of `functional.ot`."""

from __future__ import annotations

import torch

from expunge.functional.ot import EXACT_UP_TO, Solver, cosine_cost, transport
from harness import compare, write

DIMENSION = 256
SIZES = (64, 128, 256, 512, 1024)


def clouds(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(n)
    # features after a rectifier: non-negative, so that cosine costs are small, as in a network
    return torch.randn(n, DIMENSION, generator=made).relu(), torch.randn(n, DIMENSION, generator=made).relu()


def gradient(n: int, solver: Solver) -> None:
    a, b = clouds(n)
    a.requires_grad_()
    torch.autograd.grad(transport(a, b, solver=solver), a)


def main() -> None:
    rows = []
    for n in SIZES:
        # the default must not be the slower one by more than a quarter anywhere
        other: Solver = "sinkhorn" if n <= EXACT_UP_TO else "exact"
        made = compare(
            f"default against {other}, {n} by {n}",
            lambda n=n: gradient(n, "auto"),  # type: ignore[misc]
            lambda n=n, other=other: gradient(n, other),  # type: ignore[misc]
            rounds=7,
            threshold=0.75,
            note=f"cosine cost of {DIMENSION} features, forward and gradient; sinkhorn to a marginal error of 1e-3",
        )
        rows.append({**made.row(), "mean_cost": round(float(cosine_cost(*clouds(n)).mean()), 3)})
    write(__file__, rows)


if __name__ == "__main__":
    main()
