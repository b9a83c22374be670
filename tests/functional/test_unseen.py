"""The distance to the unseen is the transport it says, moves losses only upwards, and keeps labels together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor

from expunge.functional import unseen
from expunge.functional.unseen import Unseen, comparable, unseen_distance


def cloud(n: int, seed: int, *, classes: int = 3) -> Unseen:
    made = torch.Generator().manual_seed(seed)
    labels = torch.arange(n)[:, None] % classes
    return Unseen(torch.randn(n, 5, generator=made), torch.rand(n, generator=made) * 3, labels)


def direct(ours: Unseen, there: Unseen, beta: float) -> float:
    """The same by linear programming and loops over pictures."""
    n, m = len(ours.losses), len(there.losses)
    a, b = ours.features.double().numpy(), there.features.double().numpy()
    cosine = np.array(
        [[1 - a[i] @ b[j] / np.linalg.norm(a[i]) / np.linalg.norm(b[j]) for j in range(m)] for i in range(n)]
    )
    rise = there.losses.double().numpy()[None, :] - ours.losses.double().numpy()[:, None]
    differ = (ours.labels.numpy()[:, None] != there.labels.numpy()[None]).mean(2)
    cost = beta * cosine + np.abs(rise) + 10 * differ
    rows = np.kron(np.eye(n), np.ones((1, m)))
    columns = np.kron(np.ones((1, n)), np.eye(m))
    marginals = np.r_[np.full(n, 1 / n), np.full(m, 1 / m)]
    plan = linprog(cost.ravel(), A_eq=np.r_[rows, columns], b_eq=marginals).x.reshape(n, m)
    upwards = sum(max(0.0, n * float(plan[i] @ rise[i])) for i in range(n)) / n
    return float(beta * (plan * cosine).sum() + upwards)


@pytest.mark.parametrize(("n", "m", "beta"), [(6, 6, 1.0), (6, 9, 0.3), (9, 6, 2.0), (4, 12, 0.0)])
def test_it_is_the_transport_of_a_linear_program(n: int, m: int, beta: float) -> None:
    ours, there = cloud(n, 1), cloud(m, 2)
    found = unseen_distance(ours.features, ours.losses, ours.labels, there, feature_weight=beta)
    assert float(found) == pytest.approx(direct(ours, there, beta), abs=1e-5)


def test_pictures_that_look_unseen_are_left_alone() -> None:
    there = cloud(9, 1)
    losses = (there.losses + 1e-4).requires_grad_()  # not below, whatever is rounded
    distance = unseen_distance(there.features, losses, there.labels, there)
    distance.backward()
    assert distance.item() == pytest.approx(0, abs=1e-5)
    assert losses.grad is not None and not losses.grad.any()


def losses_pulled(change: Tensor) -> tuple[float, Tensor]:
    there = cloud(9, 1, classes=9)  # of one label each: every picture knows its place
    losses = (there.losses + change).requires_grad_()
    distance = unseen_distance(there.features, losses, there.labels, there)
    (gradient,) = torch.autograd.grad(distance, losses)
    return distance.item(), gradient


def test_losses_below_are_raised_and_losses_above_are_not_lowered() -> None:
    below, raised = losses_pulled(torch.full((9,), -0.5))
    above, lowered = losses_pulled(torch.full((9,), 0.5))
    assert below == pytest.approx(0.5, abs=1e-6) and above == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(raised, torch.full((9,), -1 / 9))
    assert not lowered.any()


def test_labels_stay_together() -> None:
    """Two labels whose losses are swapped: moved within its label every picture has a way to go, across it none."""
    labels = torch.tensor([[0], [0], [1], [1]])
    ours = Unseen(torch.ones(4, 2), torch.tensor([0.0, 0.0, 2.0, 2.0]), labels)
    there = Unseen(torch.ones(4, 2), torch.tensor([2.0, 2.0, 0.0, 0.0]), labels)
    within = unseen_distance(ours.features, ours.losses, labels, there)
    across = unseen_distance(
        ours.features,
        ours.losses,
        torch.zeros_like(labels),
        Unseen(there.features, there.losses, torch.zeros_like(labels)),
    )
    assert float(within) == pytest.approx(1.0) and float(across) == pytest.approx(0.0, abs=1e-6)


def test_a_draw_is_a_sample_without_repetition_by_its_seed() -> None:
    there = cloud(20, 1)
    one, again, other = there.draw(7, 1), there.draw(7, 1), there.draw(7, 2)
    assert torch.equal(one.losses, again.losses) and not torch.equal(one.losses, other.losses)
    assert len(set(one.losses.tolist())) == 7 and there.draw(20, 1) is there


def test_comparable_pictures_are_of_the_label_and_about_as_hard() -> None:
    others = Unseen(torch.zeros(300, 1), torch.rand(300, generator=torch.Generator().manual_seed(1)) * 3, ranks(300, 3))
    losses, labels = torch.rand(90, generator=torch.Generator().manual_seed(2)) * 3, ranks(90, 3)
    rows = comparable(losses, labels, others, near=8, seed=3)
    assert torch.equal(others.labels[rows], labels)
    for loss, label, row in zip(losses, labels, rows, strict=True):
        same = torch.nonzero(others.labels[:, 0] == label).flatten()
        ratio = (others.losses[same].clamp(min=0.01) / loss.clamp(min=0.01)).log().abs()
        assert row in same[ratio.argsort()[:8]]
    assert len(set(rows.tolist())) > 30, "not always the nearest one"
    assert not torch.equal(rows, comparable(losses, labels, others, near=8, seed=4))


def test_a_label_that_nobody_else_has_takes_the_nearest_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are compared at once."""
    others = Unseen(torch.zeros(2, 1), torch.tensor([0.1, 1.0]), torch.tensor([[0, 0], [1, 0]]))
    losses, labels = torch.tensor([1.0, 0.1, 1.0]), torch.tensor([[5, 5], [5, 0], [0, 0]])
    assert comparable(losses, labels, others, near=1, seed=0).tolist() == [1, 0, 0]
    monkeypatch.setattr(unseen, "BLOCK", 2)
    assert comparable(losses, labels, others, near=1, seed=0).tolist() == [1, 0, 0]
    assert comparable(losses[:0], labels[:0], others, near=8, seed=0).tolist() == []


def ranks(n: int, classes: int) -> Tensor:
    return torch.arange(n)[:, None] % classes
