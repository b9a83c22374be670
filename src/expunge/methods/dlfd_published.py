"""The published DLFD code, quirk by quirk, so that its figures can be reproduced and its ideas told apart from it.

Not a method to use: it exists to compare with. Reads retain, forget and tuning pictures; where the published code
stops and selects on the pictures it reports, this one uses tuning non-members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from expunge.functional.forgetting import published_forgetting_score
from expunge.functional.losses import correct, mean_loss, per_example_loss
from expunge.methods.cost import Passes, Sizes, looks_in
from expunge.methods.phases import Batch, Context, Loss, Phases, Probe, Source, Train, unwrap
from expunge.models.classifier import PixelClassifier, frozen
from expunge.models.predict import predict
from expunge.types import Optimizer, SteeringTask


@dataclass(frozen=True)
class PublishedDLFD:
    r"""The code published with the paper (Dasol-Choi/DLFD at 4ac0aa6), for comparison only.

    Its transport term has no gradient with respect to the perturbation, since it is taken between unperturbed
    pictures: what is left makes retain pictures *easier* for the model, and these are trained on.

    $$\delta \leftarrow \delta - s\,\mathrm{sign}\,\nabla_\delta\, \lambda_{cls}(t)\,
      \mathrm{CE}(f(\mathrm{clip}_{0..1}(n(x_r)+\delta)), y_r)$$

    with $n$ the normalisation: the clip is applied to normalised pictures, and loses what is darker than the mean.

    Args:
        lr: learning rate of SGD with momentum .9 and weight decay 5e-4.
        inner_steps: steps of the perturbation.
        step_size: change per step, in normalised units.
        class_weight_start, class_weight_end: rise linearly; a weight of 0 stops the perturbation altogether.
        threshold: perturbs while the forgetting score is at least this.
        save_threshold: weights are eligible while the score is at most this; the most accurate on tuning win.
        batch_size: of both streams, in the order of the data, unshuffled, unaugmented.
        probe_every: steps between looks at all forget and tuning pictures; the published code looks after every one.

    Cost: one training pass per retain picture, one forward pass and one input gradient per inner step, and a forward
    pass over all forget and tuning pictures per step. (The published code does three forward passes and a parameter
    backward pass per inner step, and looks at the retain set too; neither changes its result, both are left out.) At
    most so: it stops perturbing below the threshold.
    Fails when: the model needs more than what survives the clip; batch norm is in training mode for one step only.
    Source: unlearn/dlfd.py of the published code; settings of its age notebook, in batches of 64 as in the
    other notebook (the age notebook has 32).
    Differs from the published code: stops and selects on tuning non-members, not on the pictures that it reports.
    """

    lr: float = 0.008
    inner_steps: int = 15
    step_size: float = 0.4
    class_weight_start: float = 0.0
    class_weight_end: float = 1.0
    threshold: float = 0.15
    save_threshold: float = 0.09
    batch_size: int = 64
    probe_every: int = 1


def dlfd_published(config: PublishedDLFD, context: Context) -> Phases:
    """One pass over the retain set; the best weights by tuning accuracy are kept, as the published loop does."""
    task = context.task
    size, steps = _shape(config, len(task.retain), len(task.forget))
    yield Train(
        "published",
        {
            "retain": Source(task.retain, size, shuffle=False),
            "forget": Source(task.forget, size, shuffle=False),
        },
        "retain",
        published_loss(config, steps),
        Optimizer(lr=config.lr),
        steps=steps,
        probe=_published_probe(config, task) if config.probe_every else None,
    )


def cost(config: PublishedDLFD, sizes: Sizes) -> Passes:
    """What the phase shows to networks where the score never falls below the threshold."""
    size, steps = _shape(config, sizes.retain, sizes.forget)
    inner = steps * size * config.inner_steps
    probes = looks_in(steps, config.probe_every, start=1) * (sizes.forget + sizes.tuning)
    return Passes(forward=steps * size + inner + probes, backward=steps * size, inputs=inner)


def _shape(config: PublishedDLFD, retain: int, forget: int) -> tuple[int, int]:
    """Pictures in a batch, and the number of batches."""
    size = min(config.batch_size, retain, forget)
    return size, max(2, retain // size)  # a last, smaller batch is skipped there too


def published_loss(config: PublishedDLFD, steps: int) -> Loss:
    """The loss of a step of an epoch of `steps`."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        inner = unwrap(model)
        if batch.step > 0:
            model.eval()  # the published loop evaluates after the first batch and never goes back to training mode
        x, y = batch["retain"].x, batch["retain"].y
        normalised = (x - inner.mean) / inner.std
        if batch.probe.get("score", 3.0) >= config.threshold:
            start, end = config.class_weight_start, config.class_weight_end
            weight = start + (end - start) * batch.step / (steps - 1)
            normalised = _perturbed(inner, normalised, y, weight, config)
        return mean_loss(model(normalised * inner.std + inner.mean), y, sizes=inner.spec.sizes)

    return loss


def _perturbed(model: PixelClassifier, x: Tensor, y: Tensor, weight: float, config: PublishedDLFD) -> Tensor:
    """Normalised pictures after the inner loop: pushed towards a lower loss, clipped to 0..1 in normalised units."""
    noise = torch.zeros_like(x)
    for _ in range(config.inner_steps):
        noise.requires_grad_()
        with frozen(model):
            z = (x + noise).clamp(0, 1)
            value = -weight * mean_loss(model(z * model.std + model.mean), y, sizes=model.spec.sizes)
            (gradient,) = torch.autograd.grad(value, noise)
        noise = noise.detach() + config.step_size * gradient.sign()
    return (x + noise).clamp(0, 1).detach()


def _published_probe(config: PublishedDLFD, task: SteeringTask) -> Probe:
    def measure(model: PixelClassifier) -> Mapping[str, float]:
        forget, tuning = predict(model, task.forget).logits, predict(model, task.tuning).logits
        sizes = task.forget.spec.sizes
        score = published_forgetting_score(
            per_example_loss(forget, task.forget.labels, sizes=sizes).double().numpy(),
            per_example_loss(tuning, task.tuning.labels, sizes=sizes).double().numpy(),
        )
        accuracy = float(correct(tuning, task.tuning.labels, sizes=sizes).mean())
        return {"score": score, "accuracy": accuracy}

    def keep(values: Mapping[str, float]) -> float | None:
        return values["accuracy"] if values["score"] <= config.save_threshold else None

    return Probe(config.probe_every, measure, start=1, keep=keep)  # never looks at the untouched model
