"""Whether an erasure cost the model its skill, and what else about an erasure must not be missed.

Answers to tuning non-members and the parts of an erasure flow in, sentences flow out. Nothing of this steers anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from expunge.app.desk import Silent
from expunge.audits.observe import Seen
from expunge.engine.events import Events
from expunge.errors import ExpungeError
from expunge.functional.forgetting import gone_classes
from expunge.functional.seeding import derive_seed
from expunge.functional.stats import bootstrap_weights, weighted_mean
from expunge.methods.cost import Sizes
from expunge.methods.phases import Context
from expunge.methods.registry import Method
from expunge.types import PictureSet, SteeringTask, TrainRecipe

Array = np.ndarray[Any, np.dtype[Any]]
MOST_LOST = 0.03  # accuracy; a loss that may be larger is warned of
SURE = 0.95  # one-sided
FEW_TUNING = 8  # pictures
DRAWS = 2000


@dataclass(frozen=True)
class Skill:
    """Accuracy on tuning non-members before and after an erasure.

    Args:
        before, after: 0..1, over the same pictures. bound: upper end of the loss, one-sided 95 %.
        pictures: how many. people: how many were resampled; None where pictures were.
    """

    before: float
    after: float
    bound: float
    pictures: int
    people: int | None

    @property
    def loss(self) -> float:
        """What was lost; below 0 where something was gained."""
        return self.before - self.after


def skill(before: Seen, after: Seen, retain: PictureSet, *, seed: int) -> Skill | None:
    """What a model knew and knows of tuning pictures, of classes that somebody in the retain set has; None without any.

    Classes that nobody has any more are left out, since a retrained model does not know them either.

    Args:
        before, after: answers to the same tuning pictures. seed: of resampling.
    """
    known = np.flatnonzero(~gone_classes(before.labels, retain.labels.numpy()).any(1))
    if not len(known):
        return None
    hits, lost = before.hits[known], before.hits[known] - after.hits[known]
    owners = None if before.subjects is None else before.subjects[known]
    people = None if owners is None else len(np.unique(owners))
    if people == 1:
        owners = people = None
    weights = bootstrap_weights(owners, len(known), draws=DRAWS, seed=derive_seed(seed, "skill"))
    bound = float(np.quantile(weighted_mean(lost, weights)[1:], SURE))
    if not lost.any():  # resampling says nothing then; what no picture of n shows is rarer than this
        bound = 1 - (1 - SURE) ** (1 / len(known))
    return Skill(float(hits.mean()), float((hits - lost).mean()), bound, len(known), people)


def skill_warning(found: Skill, method: str) -> str:
    """What to say about lost skill; nothing where no more than `MOST_LOST` can have been lost."""
    if found.bound <= MOST_LOST:
        return ""
    of = f"{found.pictures:,} tuning pictures" + ("" if found.people is None else f" of {found.people:,} people")
    moved = f"accuracy on {of}: {found.before:.3f} before, {found.after:.3f} after; the loss of {found.loss:.3f} "
    moved += f"may be {found.bound:.3f} (one-sided 95 % bound)"
    if found.loss <= MOST_LOST:
        return f"{moved}: the bound is this wide because tuning pictures are few; set aside more to know"
    ways = [
        "" if method in ("auto", "retrain") else "gentler settings (--set, as a lower learning rate or fewer epochs)",
        "" if method in ("auto", "retrain") else "--method auto",
        "" if method == "retrain" else "--method retrain",
    ]
    remedy = ", or ".join(filter(None, (", ".join(filter(None, ways[:2])), ways[2])))
    return f"{moved}: the model lost skill; " + (
        f"try {remedy}" if remedy else "so few pictures are left to learn from"
    )


def tuning_warning(method: Method, config: Any, task: SteeringTask, recipe: TrainRecipe | None) -> str:
    """What to say where a method steers by tuning pictures and has hardly any."""
    count = len(task.tuning)
    if count >= FEW_TUNING or not _reads_tuning(method, config, task, recipe):
        return ""
    return (
        f"{method.name} steers by tuning pictures and has {count} of them: how much it forgets rests on chance; "
        f"set aside at least {FEW_TUNING} pictures that the model never saw, better hundreds"
    )


def recipe_warning(method: str) -> str:
    """What to say where a method took a recipe that nobody gave."""
    assumed = TrainRecipe()
    step = assumed.optimizer
    return (
        f"nobody said how the original was trained: {method} took {step.kind} at a learning rate of {step.lr:g} "
        f"in batches of {assumed.batch_size} for it, and may forget too much or too little if it was otherwise; give "
        "the recipe (--lr, --optimizer)"
    )


@dataclass(frozen=True)
class AskedContext(Context):
    """What a method may read; `unknown` is called when it reads a recipe that nobody gave."""

    unknown: Callable[[], None]

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name == "recipe" and value is None:
            self.unknown()
        return value


class Warned(Silent):
    """Keeps warnings, and writes them into the event log of a run."""

    def __init__(self, events: Events) -> None:
        super().__init__()
        self.events = events

    def warn(self, text: str) -> None:
        """Keep it."""
        super().warn(text)
        self.events.write("warning", text=text)


def _reads_tuning(method: Method, config: Any, task: SteeringTask, recipe: TrainRecipe | None) -> bool:
    """Whether its passes grow with tuning pictures: cards are checked by counting, so that they may be believed."""
    sizes = [Sizes(len(task.retain), len(task.forget), tuning, recipe) for tuning in (1, 1000)]
    try:
        few, many = (method.cost(config, size) for size in sizes)
    except ExpungeError:
        return False
    return few != many
