"""Places keep the order of losses and entropies within labels and look unseen; the way there is only upwards."""

from __future__ import annotations

from dataclasses import replace

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
    losses, entropies = torch.rand(2, n, generator=made) * scale
    return Cloud(torch.randn(n, 5, generator=made), losses, entropies, labels)


def relabelled(given: Cloud, labels: Tensor) -> Cloud:
    return replace(given, labels=labels)


def test_the_map_is_the_cheapest_transport_of_the_known_onto_the_unseen() -> None:
    """Of all ways to pair as many known and unseen pictures of a label, for a convex cost."""
    known, others = cloud(90, 1, scale=1.0), cloud(90, 2)
    places = unseen_places(known, known, others, near=8)
    for label in range(3):
        own = known.labels[:, 0] == label
        there = others.labels[:, 0] == label
        for name in ("losses", "entropies"):
            ours, theirs = getattr(known, name)[own], getattr(others, name)[there]
            _, columns = linear_sum_assignment((ours[:, None] - theirs).square().numpy())
            assert torch.equal(getattr(places, name)[own], theirs[torch.from_numpy(columns)])
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
    places = unseen_places(everything, everything, everything, near=1)
    for name in ("losses", "entropies", "features", "labels"):
        assert torch.equal(getattr(places, name), getattr(everything, name))


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
    rare = relabelled(others, others.labels.clone())
    rare.labels[(rare.labels[:, 0] == 2).nonzero()[ENOUGH - 1 :, 0]] = 1  # seven are left
    of_all = [relabelled(given, torch.zeros_like(given.labels)) for given in (known, known, rare)]
    found, mixed = unseen_places(known, known, rare, near=8), unseen_places(*of_all, near=8)
    own = known.labels[:, 0] == 2
    assert torch.equal(found.losses[own], mixed.losses[own])
    assert torch.equal(found.entropies[own], mixed.entropies[own])
    assert not torch.equal(found.losses[~own], mixed.losses[~own])
    twice = [relabelled(given, given.labels.repeat(1, 2)) for given in (known, known, others)]
    assert torch.equal(unseen_places(*twice, near=8).losses, unseen_places(known, known, others, near=8).losses)


def test_few_unseen_pictures_and_none_to_be_placed_are_no_trouble() -> None:
    known, others = cloud(30, 1), cloud(2, 2)
    assert set(unseen_places(known, known, others, near=8).losses.tolist()) == set(others.losses.tolist())
    assert unseen_places(known[torch.arange(0)], known, others, near=8).losses.tolist() == []


def test_ties_are_placed_in_their_middle() -> None:
    zero = torch.zeros(9, 1, dtype=torch.int64)
    known = Cloud(torch.ones(9, 1), torch.zeros(9), torch.zeros(9), zero)
    others = Cloud(torch.ones(9, 1), torch.arange(9.0), torch.arange(9.0), zero)
    assert unseen_places(known, known, others, near=1).losses.tolist() == [4.0] * 9


def test_pictures_that_have_arrived_are_left_alone() -> None:
    there = cloud(9, 1)
    here = replace(there, losses=(there.losses + 1e-4).requires_grad_())  # not below, whatever is rounded
    distance = unseen_distance(here, there)
    distance.backward()
    assert distance.item() == pytest.approx(0, abs=1e-5)
    assert here.losses.grad is not None and not here.losses.grad.any()


def pulled(name: str, change: float) -> tuple[float, Tensor]:
    """Distance of pictures whose losses or entropies were changed, and its gradient."""
    there = cloud(9, 1)
    values = (getattr(there, name) + change).requires_grad_()
    distance = unseen_distance(replace(there, **{name: values}), there, entropy_weight=1.0)
    (gradient,) = torch.autograd.grad(distance, values)
    return distance.item(), gradient


@pytest.mark.parametrize("name", ["losses", "entropies"])
def test_what_is_below_is_raised_and_what_is_above_is_not_lowered(name: str) -> None:
    below, raised = pulled(name, -0.5)
    above, lowered = pulled(name, 0.5)
    assert below == pytest.approx(0.5, abs=1e-6) and above == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(raised, torch.full((9,), -1 / 9))
    assert not lowered.any()


def test_features_and_entropies_are_pulled_by_their_weights() -> None:
    here, there = cloud(9, 1), cloud(9, 2)

    def found(feature_weight: float, entropy_weight: float) -> float:
        return unseen_distance(here, there, feature_weight=feature_weight, entropy_weight=entropy_weight).item()

    cosine = torch.nn.functional.cosine_similarity(here.features, there.features, dim=1)
    unsure = (there.entropies - here.entropies).clamp(min=0)
    assert found(0, 0) == pytest.approx((there.losses - here.losses).clamp(min=0).mean().item(), abs=1e-6)
    assert found(2, 0) - found(0, 0) == pytest.approx(2 * (1 - cosine).mean().item(), abs=1e-5)
    assert found(0, 3) - found(0, 0) == pytest.approx(3 * unsure.mean().item(), abs=1e-5)
