"""Retraining from scratch without the forget set: the reference that every other method is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from expunge.methods.cost import Passes, Sizes, training
from expunge.methods.phases import Context, Edit, Phases, recipe_for, training_phase
from expunge.models.classifier import PixelClassifier


@dataclass(frozen=True)
class Retrain:
    """Train a freshly initialised model on the retain set with the recipe of the original.

    Args:
        epochs: passes over the retain set; None takes the recipe's own number.

    Cost: one forward and one backward pass per retain picture and epoch: the original training, times the share of
    pictures retained.
    Fails when: the recipe of the original is not known.
    Source: the definition of unlearning itself (Cao and Yang 2015; Bourtoule et al. 2021).
    """

    epochs: float | None = None


def retrain(config: Retrain, context: Context) -> Phases:
    """Reinitialise, then train by the recipe."""
    recipe = recipe_for("retrain", context.recipe, config.epochs)

    def reinitialise(model: PixelClassifier) -> None:
        with torch.no_grad():
            model.load_state_dict(context.fresh(context.seed).state_dict())

    yield Edit("reinitialise", reinitialise)
    yield training_phase(recipe, context.task.retain)


def cost(config: Retrain, sizes: Sizes) -> Passes:
    """What the training shows to networks.

    Raises:
        Unavailable: nobody knows the recipe.
    """
    recipe = recipe_for("retrain", sizes.recipe, config.epochs)
    return training(sizes.retain, recipe.batch_size, recipe.epochs)
