"""Distribution-level feature distancing as the paper has it: train on retain pictures moved away from the forget set.

Reads retain, forget and tuning pictures. What is trained on which batch is said here; stepping is the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from expunge.functional.forgetting import forgetting_target
from expunge.functional.losses import mean_loss, per_example_loss
from expunge.functional.ot import Solver, transport
from expunge.functional.perturb import ascend
from expunge.methods.cost import Passes, Sizes, looks_in, steps_of
from expunge.methods.phases import Batch, Context, Loss, Phases, Probe, Source, Train, sample, unwrap
from expunge.models.classifier import PixelClassifier, frozen, inference_mode_of
from expunge.models.predict import predict
from expunge.types import Augmentation, Optimizer, PictureSet, SteeringTask


@dataclass(frozen=True)
class PerturbingDLFD:
    r"""Train on retain pictures whose features were pushed away from those of the forget set.

    Every step perturbs retain pictures within a small box so that the distribution of their penultimate features
    moves away from that of forget pictures (optimal transport), while a classification term keeps what their labels
    depend on; the model then learns the perturbed pictures with their true labels. Once membership of the forget
    set shows no more than it would after retraining, the rest of the epoch is plain training.

    $$\delta^* = \arg\max_{|\delta|_\infty \le \varepsilon}\; \lambda_{ot}\,\mathrm{OT}_\eta(h(x_r+\delta), h(x_f))
      - \lambda_{cls}(t)\,\mathrm{CE}(f(x_r+\delta), y_r), \qquad
      \theta \leftarrow \theta - \gamma \nabla_\theta \mathrm{CE}(f_\theta(x_r+\delta^*), y_r)$$

    Args:
        epochs: passes over the retain set (> 0).
        lr: peak learning rate (> 0).
        schedule: `cosine` (a warm restart that falls to 0), `linear` or `constant`.
        batch_size: retain pictures per step.
        transport_batch: forget pictures that a batch is compared with.
        radius: epsilon, largest change of a pixel, in units of the full range 0..1.
        inner_steps: steps of the perturbation.
        transport_weight: lambda_ot.
        class_weight_start, class_weight_end: lambda_cls, rising linearly over the phase.
        clean_share: share of each batch (0..1) that is trained unperturbed.
        features: `penultimate`, or `logits` as the published code does.
        solver, eta: transport solver (`auto`, `exact`, `sinkhorn`) and its entropy.
        target: `retrained` stops at the AUROC estimated for a retrained model, `half` at .5 (the paper's).
        tolerance: how close to the target counts as there, in AUROC.
        probe_every: steps between looks at the forgetting score; 0 never looks, and never stops.
        probe_size: most pictures of forget and of tuning in a look.
        augment: change retain pictures at random as in training.

    Cost: one forward and one backward pass per retain picture; per perturbed picture, one forward pass and one input
    gradient for every inner step; one forward pass per forget picture in a batch, and per picture in a look. At most
    so: once the target is reached nothing is perturbed.
    Fails when: the box is large: the perturbed pictures then act as adversarial examples and utility collapses.
    Source: Choi and Na, AAAI 2025 (arXiv 2409.14747), objective and algorithm of DLFD.
    Differs from the paper: a trust region small against the picture's contrast, clean pictures mixed in, a restart
    schedule, and a stop at the estimated retrained value; `dlfd:paper` is the paper. `dlfd` is what came of it.
    """

    epochs: float = 2.0
    lr: float = 0.026
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    batch_size: int = 64
    transport_batch: int = 64
    radius: float = 0.5 / 255
    inner_steps: int = 1
    transport_weight: float = 0.67
    class_weight_start: float = 0.0
    class_weight_end: float = 4.6
    clean_share: float = 0.2
    features: Literal["penultimate", "logits"] = "penultimate"
    solver: Solver = "auto"
    eta: float = 0.05
    target: Literal["retrained", "half"] = "retrained"
    tolerance: float = 0.0
    probe_every: int = 10
    probe_size: int = 512
    augment: bool = True


PAPER = PerturbingDLFD(
    epochs=1.0,
    lr=0.008,
    schedule="constant",
    radius=2 / 255,
    inner_steps=15,
    transport_weight=3.0,
    class_weight_end=1.0,
    clean_share=0.0,
    target="half",
    tolerance=0.05,
    augment=False,
)


def dlfd_perturb(config: PerturbingDLFD, context: Context) -> Phases:
    """One phase whose batches pair retain with forget pictures."""
    task = context.task
    yield Train(
        "distance",
        {
            "retain": Source(
                task.retain, min(config.batch_size, len(task.retain)), Augmentation() if config.augment else None
            ),
            "forget": Source(task.forget, min(config.transport_batch, len(task.forget))),
        },
        "retain",
        distancing_loss(config),
        Optimizer(lr=config.lr, schedule=config.schedule),
        epochs=config.epochs,
        probe=forgetting_probe(config, task, context.seed) if config.probe_every else None,
    )


def cost(config: PerturbingDLFD, sizes: Sizes) -> Passes:
    """What the phase shows to networks where the target is never reached."""
    size, forget = min(config.batch_size, sizes.retain), min(config.transport_batch, sizes.forget)
    steps = steps_of(sizes.retain, config.batch_size, config.epochs)
    inner = steps * config.inner_steps * (size - round(config.clean_share * size))
    look = min(config.probe_size, sizes.forget) + min(config.probe_size, sizes.tuning)
    probes = look * looks_in(steps, config.probe_every)
    return Passes(forward=steps * (size + forget) + inner + probes, backward=steps * size, inputs=inner)


def distancing_loss(config: PerturbingDLFD) -> Loss:
    """The training loss of a step: on perturbed pictures while forgetting is under way, on clean ones after."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        x, y = batch["retain"].x, batch["retain"].y
        inner = unwrap(model)
        distancing = batch.probe.get("gap", 1.0) > config.tolerance
        batch.notes["distancing"] = float(distancing)
        if distancing:
            x = torch.cat([x[: (clean := round(config.clean_share * len(x)))], _distanced(config, inner, batch, clean)])
        return mean_loss(model(x), y, sizes=inner.spec.sizes)

    return loss


def _distanced(config: PerturbingDLFD, model: PixelClassifier, batch: Batch, clean: int) -> Tensor:
    """The pictures from position `clean` on, moved away from the forget pictures of the batch."""
    x, y = batch["retain"].x[clean:], batch["retain"].y[clean:]
    start, end = config.class_weight_start, config.class_weight_end
    class_weight = start + (end - start) * batch.progress
    which = 0 if config.features == "penultimate" else 1
    with frozen(model), inference_mode_of(model):
        with torch.no_grad():
            forget = model.features_and_logits(batch["forget"].x)[which]

        def objective(z: Tensor) -> Tensor:
            answers = model.features_and_logits(z)
            distance = transport(answers[which], forget, solver=config.solver, eta=config.eta)
            batch.notes["transport"] = float(distance.detach())
            return config.transport_weight * distance - class_weight * mean_loss(answers[1], y, sizes=model.spec.sizes)

        return ascend(x, objective, radius=config.radius, steps=config.inner_steps)


def forgetting_probe(config: PerturbingDLFD, task: SteeringTask, seed: int) -> Probe:
    """How well losses tell forget from tuning pictures, on a fixed subsample, against what retraining would show."""
    forget = sample(task.forget, config.probe_size, seed, "probe", "forget")
    tuning = sample(task.tuning, config.probe_size, seed, "probe", "tuning")

    def measure(model: PixelClassifier) -> Mapping[str, float]:
        auroc, target = forgetting_target(
            _losses(model, forget), _losses(model, tuning), forget.labels.numpy(), tuning.labels.numpy()
        )
        if config.target == "half":
            target = 0.5
        return {"auroc": auroc, "target": target, "gap": auroc - target}

    return Probe(config.probe_every, measure)


def _losses(model: PixelClassifier, pictures: PictureSet) -> np.ndarray[Any, np.dtype[np.float64]]:
    logits = predict(model, pictures).logits
    return per_example_loss(logits, pictures.labels, sizes=pictures.spec.sizes).double().numpy()
