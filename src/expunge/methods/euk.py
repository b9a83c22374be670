"""Exact unlearning of the last k layers (EU-k): these start afresh and learn the retain set, all others stay."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from expunge.methods.cost import Passes, Sizes, training
from expunge.methods.phases import Context, Edit, Phases, recipe_for, training_phase
from expunge.models.classifier import PixelClassifier
from expunge.models.layers import copy_layers, last_layers, own_parameters


@dataclass(frozen=True)
class EUK:
    r"""Give the last k layers fresh weights and train them on the retain set by the recipe of the original.

    These layers then know nothing of the forget set but what the frozen ones in front of them tell. The frozen layers
    keep their weights and their running statistics, bit by bit. A layer is counted where it runs, whatever it is
    called; a normalisation layer belongs to the layer before it.

    $$\theta_{\text{last } k} \leftarrow \theta^{\text{fresh}}_{\text{last } k}, \qquad
      \min_{\theta_{\text{last } k}} \; \mathbb{E}_{(x,y) \in \text{retain}} \; \mathrm{CE}(f_\theta(x), y)$$

    Args:
        k: number of layers that start afresh (>= 1); 11 are the last two stages and the head of a
            ResNet-18.
        epochs: passes over the retain set; None takes the recipe's own number.

    Cost: one forward and one backward pass per retain picture and epoch; the backward pass ends at the k-th last layer.
    Fails when: the layers before the last k remember the forget set; or the recipe of the original is not known.
    Source: Goel et al. 2022, "Towards adversarial evaluations for inexact machine unlearning" (arXiv 2201.06640).
    Differs from published tables: these start no layer afresh and train batch norm alone; `eu-k:published` does so.
    """

    k: int = 11
    epochs: float | None = 2.0


def euk(config: EUK, context: Context) -> Phases:
    """Reinitialise the last k layers, then train them by the recipe."""
    recipe = recipe_for("eu-k", context.recipe, config.epochs)

    def reinitialise(model: PixelClassifier) -> None:
        copy_layers(context.fresh(context.seed), model, last_layers(model, config.k))

    def trained(model: PixelClassifier) -> list[nn.Parameter]:
        return own_parameters(model, last_layers(model, config.k))

    yield Edit("reinitialise", reinitialise)
    yield replace(training_phase(recipe, context.task.retain), parameters=trained)


def cost(config: EUK, sizes: Sizes) -> Passes:
    """What the training shows to networks.

    Raises:
        Unavailable: nobody knows the recipe.
    """
    recipe = recipe_for("eu-k", sizes.recipe, config.epochs)
    return training(sizes.retain, recipe.batch_size, recipe.epochs)
