"""Tiers of an audit: how many shadow models each takes, of which kinds, and what they are for.

A tier and everything that shadows need flow in; a `ShadowStudy` flows out, and sentences on what could not be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from expunge.app.deeper import RELEARNED
from expunge.app.desk import Both, Desk, Silent
from expunge.app.references import Retraining
from expunge.app.shadows import Later, shadow_statistics, shadow_training, shadow_unlearning
from expunge.audits.gradients import MOST
from expunge.audits.halves import joined
from expunge.audits.relearn import ROUNDS, STEPS
from expunge.audits.shadowattacks import ShadowStudy
from expunge.audits.shadowcache import ShadowCache
from expunge.audits.shadows import ShadowPlan, Shadows
from expunge.engine.jobs import Kind, Workers
from expunge.errors import InputError, MethodError, Unavailable
from expunge.methods.cost import Sizes
from expunge.methods.registry import Method
from expunge.types import ErasureTask

POPULATION = "population attacks on the answers, gaps to the references"
MEMBERSHIP = "LiRA (online and offline) and RMIA"
METHOD = "U-LiRA, KLoM and the epsilon score of the method"
PROBES = "gradients of all weights, relearning, feature residue and correlation collapse"
NEEDED = {MEMBERSHIP: ("halves",), METHOD: ("unlearned", "retrained")}
MORE = {"unlearned": "that learn the forget set", "retrained": "that are retrained without it"}
NO_METHOD = f"{METHOD}: unavailable: nobody said which method made the model (--run, or --method)"


@dataclass(frozen=True)
class Tier:
    """How much an audit may cost.

    Args:
        name: of it.
        halves: shadows on random halves of the pictures.
        unlearned: shadows that learned and unlearned the forget set; twice as many are retrained without it, and no
            method is applied to these.
        probes: whether copies of the models are trained further, and features looked into.
        takes: how long, in words.
    """

    name: str
    halves: int
    unlearned: int
    probes: bool
    takes: str

    @property
    def retrained(self) -> int:
        """Shadows retrained without the forget set: as many as unlearned ones, and as many again as their floor."""
        return 2 * self.unlearned

    @property
    def shadows(self) -> int:
        """All of them."""
        return self.halves + self.unlearned + self.retrained

    @property
    def made_of(self) -> str:
        """How many shadows, and which attack gets how many of them."""
        if not self.unlearned:
            return str(self.shadows)
        return f"{self.shadows}: {self.halves} for LiRA and RMIA, {self.unlearned + self.retrained} for the method"

    @property
    def contents(self) -> tuple[str, ...]:
        """What is measured."""
        return (POPULATION, *([PROBES] if self.probes else []), *self.attacks)

    @property
    def attacks(self) -> tuple[str, ...]:
        """What needs shadow models."""
        return (*([MEMBERSHIP] if self.halves else []), *([METHOD] if self.unlearned else []))


LONG = "32 trainings on half of the pictures, 96 on all, 32 unlearnings, and the probes"
TIERS: Mapping[str, Tier] = {
    tier.name: tier
    for tier in (
        Tier("quick", 0, 0, probes=False, takes="seconds"),
        Tier("standard", 16, 0, probes=True, takes="16 trainings on half of the pictures, and the probes"),
        Tier("thorough", 32, 32, probes=True, takes=LONG),
    )
}


@dataclass(frozen=True)
class Shadowing:
    """All that the shadows of an audit need.

    Args:
        tier: how many. task: whose pictures.
        retraining: how the original was trained.
        unlearning: the method that made the audited model, with its configuration; None where nobody knows.
        cache: folder of finished shadows. workers: who trains the others.
    """

    tier: Tier
    task: ErasureTask
    retraining: Retraining
    unlearning: tuple[Method, Any] | None
    cache: Path
    workers: Workers


def tier_table() -> str:
    """What each tier contains, as a table in Markdown."""
    lines = ["| `--tier` | shadow models | takes | measures |", "|---|---|---|---|"]
    for tier in TIERS.values():
        lines.append(f"| `{tier.name}` | {tier.made_of} | {tier.takes} | {'; '.join(tier.contents)} |")
    return "\n".join(lines)


def workers_of(text: str, threads: int) -> Workers:
    """Who trains shadows, as it is written on a command line.

    Args:
        text: `in-process`, `pool`, `ray`, or `ray:ADDRESS` of a running cluster.
        threads: CPU threads of all workers together.

    Raises:
        InputError: it is something else.

    Example:
        >>> workers_of("ray:10.0.0.1:6379", 1).address
        '10.0.0.1:6379'
    """
    kind, colon, address = text.partition(":")
    if kind not in get_args(Kind) or (colon and (kind != "ray" or not address)):
        expected = f"one of {', '.join(get_args(Kind))}, ray:ADDRESS"
        raise InputError("workers (--workers)", expected=expected, came=repr(text))
    return Workers(kind, threads=threads, address=address)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Studied:
    """What came of a tier's shadows.

    Args:
        study: the shadows. notes: sentences on what could not be had, or was not wanted.
        probes: whether the models are to be probed.
    """

    study: ShadowStudy
    notes: tuple[str, ...]
    probes: bool


def shadow_study(shadowing: Shadowing, desk: Desk) -> Studied:
    """Train what the tier asks for and is not there yet; whoever sits at the desk is told the price and may refuse.

    A no to the shadows leaves the probes; where no shadow was to be trained, the question is about the probes.

    Raises:
        Interrupted: stopped from outside; what was finished is kept.
        DataError: the cache was tampered with.
    """
    tier, plans = shadowing.tier, dict[str, tuple[ShadowPlan, int]]()
    desk.say(f"tier {tier.name}: {tier.shadows} shadow models: {'; '.join(tier.contents)}; takes {tier.takes}")
    notes = [] if shadowing.unlearning is not None or not tier.unlearned else [NO_METHOD]
    try:
        plans = _plans(shadowing) if tier.shadows else {}
    except Unavailable as error:
        notes = [f"{'; '.join(tier.attacks)}: {error}"]
    asked, made = _AskedOnce(desk), dict[str, Shadows]()
    for name, (plan, count) in plans.items():
        try:
            made[name] = shadow_statistics(
                plan,
                count,
                cache=shadowing.cache,
                workers=shadowing.workers,
                desk=asked,
                later=_later(shadowing, plans, name),
            )
        except Unavailable as error:
            lost = [attack for attack, kinds in NEEDED.items() if any(k in plans and k not in made for k in kinds)]
            notes.append(f"{'; '.join(lost)}: {error}")
            break
    probes = tier.probes and (asked.answer is not None or _wanted(_probes(shadowing, plans, made), desk))
    if tier.probes and not probes:
        notes.append(f"{PROBES}: unavailable: not wanted at that price")
    return Studied(ShadowStudy(**made), tuple(notes), probes)


def _plans(shadowing: Shadowing) -> dict[str, tuple[ShadowPlan, int]]:
    """What shadows, and how many, by their place in a `ShadowStudy`.

    Raises:
        Unavailable: nobody knows how the original was trained.
    """
    task, tier, retraining = shadowing.task, shadowing.tier, shadowing.retraining
    training, seed = shadow_training(retraining), retraining.settings.seed
    halves = ShadowPlan(
        joined([task.retain, task.forget, task.reporting]),
        joined([task.forget, task.reporting, task.tuning]),
        training,
        seed,
    )
    plans = {"halves": (halves, tier.halves)}
    if tier.unlearned and shadowing.unlearning is not None:
        never = ShadowPlan(task.retain, task.forget, training, seed, share="all")
        unlearning = shadow_unlearning(retraining, *shadowing.unlearning, task)
        unlearned = ShadowPlan(task.retain, task.forget, training, seed, share="all", unlearning=unlearning)
        plans |= {"unlearned": (unlearned, tier.unlearned), "retrained": (never, tier.retrained)}
    return plans


def _later(shadowing: Shadowing, plans: Mapping[str, tuple[ShadowPlan, int]], name: str) -> list[Later]:
    """What comes after the shadows of plan `name`, in as many of these: other shadows, unlearnings, and the probes."""
    unlearning, epochs = _unlearning(shadowing), _epochs(shadowing.retraining)
    here, _ = plans[name]
    one = _pictures(here) + (unlearning or 0.0 if here.unlearning else 0.0)
    found = []
    for other in list(plans)[list(plans).index(name) + 1 :]:
        plan, count = plans[other]
        if missing := _missing(plan, count, shadowing.cache):
            found.append(Later(f"{missing} {MORE[other]}", missing * _pictures(plan) / one))
            if plan.unlearning:
                found.append(
                    Later(f"{missing} unlearnings", None if unlearning is None else missing * unlearning / one)
                )
    if shadowing.tier.probes:
        shown = None if epochs is None else _probed(shadowing.task) / epochs / one
        found.append(Later("the probes, in any case, for each model that is looked at", shown, shared=False))
    return found


def _probes(shadowing: Shadowing, plans: Mapping[str, tuple[ShadowPlan, int]], made: Mapping[str, Shadows]) -> str:
    """What the probes take, by what the first kind of shadows took when they were trained."""
    epochs = _epochs(shadowing.retraining)
    known = [(_pictures(plan), made[name]) for name, (plan, _) in plans.items() if name in made]
    share = _probed(shadowing.task) / epochs / known[0][0] if known and epochs is not None else None
    seconds = float(known[0][1].seconds.mean()) if known else 0.0
    return Later("the probes, for each model that is looked at", share, shared=False).price(seconds, 1)


def _wanted(price: str, desk: Desk) -> bool:
    desk.say(price)
    return desk.confirm("Probe the models?")


def _missing(plan: ShadowPlan, count: int, cache: Path) -> int:
    """Shadows of a plan that are not finished."""
    shelf = ShadowCache(cache)
    return sum(not shelf.has(plan.ingredients(index)) for index in range(count))


def _pictures(plan: ShadowPlan) -> float:
    """That one shadow is trained on, each as often as the recipe says."""
    share = 0.5 if plan.share == "half" else 1.0
    return share * len(plan.population) + (len(plan.unlearning.forget) if plan.unlearning else 0)


def _epochs(retraining: Retraining) -> float | None:
    """How often a training shows every picture; None where the training is the user's own."""
    return retraining.recipe.epochs if retraining.recipe is not None and retraining.function is None else None


def _unlearning(shadowing: Shadowing) -> float | None:
    """What one unlearning takes at most, in pictures of a training by the recipe; None where nobody can say."""
    if shadowing.unlearning is None:
        return None
    (method, config), task, epochs = shadowing.unlearning, shadowing.task, _epochs(shadowing.retraining)
    if method.name == "retrain":
        return float(len(task.retain))
    if epochs is None:
        return None
    sizes = Sizes(len(task.retain), len(task.forget), len(task.tuning), shadowing.retraining.recipe)
    try:
        return method.cost(config, sizes).epochs(sizes.retain) * sizes.retain / epochs
    except (Unavailable, MethodError):
        return None


def _probed(task: ErasureTask) -> float:
    """Pictures that the probes train one model on: relearning, and one gradient a picture; looks come on top."""
    batches = [min(RELEARNED.batch_size, count) for count in (len(task.retain), len(task.forget) / 2)]
    return ROUNDS * STEPS * sum(batches) + sum(min(MOST, len(part)) for part in (task.forget, task.reporting))


class _AskedOnce(Both):
    """A desk whose first answer holds for all that follows."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, Silent())
        self.answer: bool | None = None

    def confirm(self, question: str, *, unasked: bool = True) -> bool:
        """Ask, once."""
        if self.answer is None:
            self.answer = super().confirm(question, unasked=unasked)
        return self.answer
