"""Places keep the order of losses, within labels, and look like the unseen; the distance to them is only upwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from expunge.functional import unseen
from expunge.functional.unseen import ENOUGH, Cloud, unseen_distance, unseen_places


def cloud(n: int, seed: int, *, classes: int = 3, scale: float = 3.0) -> Cloud:
    made = torch.Generator().manual_seed(seed)
    labels = torch.arange(n)[:, None] % classes
    return Cloud(torch.randn(n, 5, generator=made), torch.rand(n, generator=made) * scale, labels)


def test_the_map_is_the_cheapest_transport_of_the_known_onto_the_unseen() -> None:
    """Of all ways to pair as many known and unseen pictures of a label, for a convex cost."""
    known, others = cloud(90, 1, scale=1.0), cloud(90, 2)
    places = unseen_places(known, known, others, near=8)
    for label in range(3):
        own = known.labels[:, 0] == label
        cost = (known.losses[own][:, None] - others.losses[others.labels[:, 0] == label]).square().numpy()
        _, columns = linear_sum_assignment(cost)
        wanted = others.losses[others.labels[:, 0] == label][torch.from_numpy(columns)]
        assert torch.equal(places.losses[own], wanted)
    assert torch.equal(places.labels, known.labels)


@pytest.mark.parametrize(("members", "strangers"), [(60, 240), (240, 60)])
def test_people_who_are_easier_than_others_stay_so(members: int, strangers: int) -> None:
    known, others = cloud(members, 1, classes=1, scale=1.0), cloud(strangers, 2, classes=1)
    easy = known[known.losses < 0.3]
    losses = unseen_places(easy, known, others, near=8).losses
    shares = torch.tensor([(others.losses < loss).float().mean() for loss in losses])
    assert shares.max() < 0.45 and losses.mean() > 2 * easy.losses.mean()
    assert (losses[easy.losses.argsort()].diff() >= 0).all()


def test_what_looks_unseen_already_keeps_its_place() -> None:
    everything = cloud(300, 1)
    assert torch.equal(unseen_places(everything, everything, everything, near=1).losses, everything.losses)
    assert torch.equal(unseen_places(everything, everything, everything, near=1).features, everything.features)


def test_features_are_the_most_alike_of_those_near_in_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are looked at at once."""
    known, others = cloud(60, 1), cloud(60, 2)
    places = unseen_places(known, known, others, near=8)
    for i in range(60):
        same = others[others.labels[:, 0] == known.labels[i, 0]]
        same = same[same.losses.argsort()]
        at = int((same.losses == places.losses[i]).nonzero())
        first = min(max(at - 4, 0), len(same.losses) - 8)
        window = same.features[first : first + 8].double().numpy()
        own = known.features[i].double().numpy()
        best = int(np.argmax(window @ own / np.linalg.norm(window, axis=1)))
        assert torch.equal(places.features[i], same.features[first + best])
    monkeypatch.setattr(unseen, "BLOCK", 7)
    assert torch.equal(unseen_places(known, known, others, near=8).features, places.features)


def test_a_label_that_too_few_have_is_placed_among_all() -> None:
    known, others = cloud(60, 1), cloud(60, 2)
    rare = Cloud(others.features, others.losses, others.labels.clone())
    keep = (rare.labels[:, 0] == 2).nonzero()[:, 0]
    rare.labels[keep[ENOUGH - 1 :]] = 1  # seven are left
    found = unseen_places(known, known, rare, near=8).losses
    mixed = known[known.labels[:, 0] == 2]
    everybody = Cloud(known.features, known.losses, torch.zeros_like(known.labels))
    wanted = unseen_places(
        Cloud(mixed.features, mixed.losses, torch.zeros_like(mixed.labels)),
        everybody,
        Cloud(rare.features, rare.losses, torch.zeros_like(rare.labels)),
        near=8,
    )
    assert torch.equal(found[known.labels[:, 0] == 2], wanted.losses)
    both = Cloud(known.features, known.losses, torch.cat([known.labels, known.labels], dim=1))
    there = Cloud(others.features, others.losses, torch.cat([others.labels, others.labels], dim=1))
    assert torch.equal(
        unseen_places(both, both, there, near=8).losses, unseen_places(known, known, others, near=8).losses
    )


def test_few_unseen_pictures_and_none_to_be_placed_are_no_trouble() -> None:
    known, others = cloud(30, 1), cloud(2, 2)
    assert set(unseen_places(known, known, others, near=8).losses.tolist()) == set(others.losses.tolist())
    assert unseen_places(known[torch.arange(0)], known, others, near=8).losses.tolist() == []


def test_ties_are_placed_in_their_middle() -> None:
    zero = torch.zeros(9, 1, dtype=torch.int64)
    known = Cloud(torch.ones(9, 1), torch.zeros(9), zero)
    others = Cloud(torch.ones(9, 1), torch.arange(9.0), zero)
    assert unseen_places(known, known, others, near=1).losses.tolist() == [4.0] * 9


def test_pictures_that_have_arrived_are_left_alone() -> None:
    there = cloud(9, 1)
    losses = (there.losses + 1e-4).requires_grad_()  # not below, whatever is rounded
    distance = unseen_distance(there.features, losses, there)
    distance.backward()
    assert distance.item() == pytest.approx(0, abs=1e-5)
    assert losses.grad is not None and not losses.grad.any()


def losses_pulled(change: Tensor) -> tuple[float, Tensor]:
    there = cloud(9, 1)
    losses = (there.losses + change).requires_grad_()
    distance = unseen_distance(there.features, losses, there)
    (gradient,) = torch.autograd.grad(distance, losses)
    return distance.item(), gradient


def test_losses_below_are_raised_and_losses_above_are_not_lowered() -> None:
    below, raised = losses_pulled(torch.full((9,), -0.5))
    above, lowered = losses_pulled(torch.full((9,), 0.5))
    assert below == pytest.approx(0.5, abs=1e-6) and above == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(raised, torch.full((9,), -1 / 9))
    assert not lowered.any()


def test_features_are_pulled_by_their_weight() -> None:
    ours, there = cloud(9, 1), cloud(9, 2)
    cosine = torch.nn.functional.cosine_similarity(ours.features, there.features, dim=1)
    none, some = (unseen_distance(ours.features, ours.losses, there, feature_weight=w) for w in (0.0, 2.0))
    assert (some - none).item() == pytest.approx(2 * (1 - cosine).mean().item(), abs=1e-5)
    assert none.item() == pytest.approx(float((there.losses - ours.losses).clamp(min=0).mean()), abs=1e-6)
