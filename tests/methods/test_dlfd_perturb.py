"""DLFD does what its formula says: the perturbation moves features away, stays in its box, and stops on time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from expunge.functional.ot import transport
from expunge.methods.dlfd_perturb import PAPER, PerturbingDLFD, distancing_loss, forgetting_probe
from expunge.methods.dlfd_published import PublishedDLFD, dlfd_published
from expunge.methods.phases import Batch, Context, Labelled, Train
from expunge.models.classifier import PixelClassifier
from tests.helpers import net, pictures, task


def batch(probe: dict[str, float] | None = None) -> Batch:
    retain, forget = pictures(8, seed=1), pictures(8, seed=2)
    parts = {
        name: Labelled(p.pixels(torch.arange(8)).float() / 255, p.labels, torch.arange(8))
        for name, p in (("retain", retain), ("forget", forget))
    }
    return Batch(parts, 0, 0.5, probe or {}, 0)


class Recorder(PixelClassifier):
    """Remembers the pictures of its last training forward pass."""

    seen: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and not x.requires_grad:
            self.seen = x.detach()
        return super().forward(x)


def recorder() -> Recorder:
    model = net(pictures(1).spec, dropout=0.0)
    made = Recorder(model.net, model.preprocessing, model.spec)
    made.train()
    return made


def trained_pictures(config: PerturbingDLFD, given: Batch) -> tuple[Recorder, torch.Tensor]:
    model = recorder()
    distancing_loss(config)(model, given)
    return model, model.seen


def test_perturbed_features_are_further_from_the_forget_set_in_transport() -> None:
    given = batch()
    config = replace(PAPER, class_weight_start=0.0, class_weight_end=0.0, radius=0.1)
    model, seen = trained_pictures(config, given)
    model.eval()
    with torch.no_grad():
        away, before, forget = (model.features_and_logits(x)[0] for x in (seen, given["retain"].x, given["forget"].x))
        assert transport(away, forget) > transport(before, forget) + 1e-3


def test_without_the_transport_term_it_does_not_move_away() -> None:
    """The planted fault: with weight 0 the same check fails."""
    given = batch()
    config = replace(PAPER, transport_weight=0.0, class_weight_start=0.0, class_weight_end=0.0)
    _, seen = trained_pictures(config, given)
    assert torch.equal(seen, given["retain"].x)


def test_the_perturbation_stays_in_its_box_and_in_the_range_of_pixels() -> None:
    given = batch()
    _, seen = trained_pictures(replace(PAPER, radius=0.03), given)
    assert (seen - given["retain"].x).abs().max() <= 0.03 + 1e-6
    assert seen.min() >= 0 and seen.max() <= 1


def test_the_clean_share_is_left_alone() -> None:
    given = batch()
    _, seen = trained_pictures(replace(PAPER, clean_share=0.5), given)
    assert torch.equal(seen[:4], given["retain"].x[:4]) and not torch.equal(seen[4:], given["retain"].x[4:])


def test_at_the_target_it_trains_on_clean_pictures() -> None:
    given = batch({"gap": -0.01})
    _, seen = trained_pictures(PerturbingDLFD(), given)
    assert torch.equal(seen, given["retain"].x)


def test_the_inner_loop_leaves_modes_flags_and_statistics_as_they_were() -> None:
    model, given = recorder(), batch()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    distancing_loss(replace(PerturbingDLFD(), clean_share=0.0))(model, given)
    assert model.training and all(p.requires_grad for p in model.parameters())
    # one training forward pass, and only one, has touched the running statistics
    assert model.state_dict()["net.1.num_batches_tracked"] == before["net.1.num_batches_tracked"] + 1


@pytest.mark.parametrize("target", ["retrained", "half"])
def test_the_probe_reports_the_gap_to_its_target(target: str) -> None:
    given = task()
    config = replace(PerturbingDLFD(), target=target, probe_size=12)  # type: ignore[arg-type]
    values = forgetting_probe(config, given.steering, 0).measure(net(given.retain.spec).eval())
    assert values["gap"] == pytest.approx(values["auroc"] - values["target"])
    assert target == "retrained" or values["target"] == 0.5


def test_the_published_form_may_never_look_and_then_never_stops() -> None:
    given = task()
    original = net(given.retain.spec).eval()
    config = PublishedDLFD(batch_size=8, inner_steps=1, probe_every=0)
    context = Context(given.steering, lambda: original, lambda seed: original, None, 1)
    phase = next(dlfd_published(config, context))
    assert isinstance(phase, Train) and phase.probe is None
