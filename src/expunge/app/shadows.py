"""Shadow models as a use case: how they are trained and unlearned here, by whom, and what that will take.

A recipe, a method and workers flow in; the statistics of shadows flow out. What was finished before is taken up.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import json
import math
import pickle
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from expunge.app.desk import Desk, ProgressReport, duration
from expunge.app.measure import plain
from expunge.app.references import Retraining, repeatable, retrained
from expunge.app.user import UserTrain
from expunge.app.versions import EXPUNGE, installed, source_hash
from expunge.audits.shadowcache import Shadow, ShadowCache
from expunge.audits.shadows import Make, ShadowPlan, Shadows, Training, Unlearning, collect
from expunge.engine.jobs import Tell, Workers
from expunge.engine.launch import launch
from expunge.engine.loop import run_phases
from expunge.engine.settings import EngineSettings
from expunge.errors import Unavailable
from expunge.methods.phases import Context
from expunge.methods.registry import Method
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import PixelClassifier
from expunge.types import ErasureTask, PictureSet, SteeringTask, TrainRecipe

# what layers of these compute is told by their names and versions, of our own by its sources
LIBRARIES = ("torch", "torchvision", "timm", "transformers", "expunge")
VERSIONED = ("torch", "torchvision", "timm", "transformers", "numpy")
# what decides a training and what is asked of the model; the methods besides, where something is unlearned
TRAINING = (
    "data",
    "engine",
    "functional",
    "models",
    "types.py",
    "audits/halves.py",
    "audits/shadows.py",
    "app/references.py",
    "app/shadows.py",
    "app/user.py",
    "methods/phases.py",
)
UNLEARNING = ("methods",)
COMPUTED = ("precision", "channels_last", "accumulate")  # settings that change a result; threads and device do not


@dataclass(frozen=True)
class Retrained:
    """A `Train`: the recipe of the original, or the user's own function, on other pictures."""

    retraining: Retraining

    def __call__(self, subset: PictureSet, seed: int) -> PixelClassifier:
        """Train on `subset`."""
        model = retrained(replace(self.retraining, retain=subset), seed)
        return model.to(self.retraining.settings.device)


@dataclass(frozen=True)
class Unlearned:
    """An `Unlearn`: a method through the engine, on a model that is not the user's."""

    retraining: Retraining
    method: Method
    config: Any

    def __call__(self, model: PixelClassifier, task: SteeringTask, seed: int) -> PixelClassifier:
        """Make `model` forget."""
        retraining, settings = self.retraining, self.retraining.settings
        if self.method.name == "retrain" and retraining.function is not None:
            return Retrained(retraining)(task.retain, seed)
        original = copy.deepcopy(model).eval().requires_grad_(False)
        context = Context(task, lambda: original, retraining.artefact.fresh, retraining.recipe, seed)
        run_phases(model, self.method.phases(self.config, context), settings=replace(settings, seed=seed))
        return model.to(settings.device)


def shadow_training(retraining: Retraining) -> Training:
    """How references are trained, as a way to train shadows.

    Raises:
        Unavailable: it cannot be repeated how the original was trained.
    """
    return Training(Retrained(retraining), _told(retraining))


def shadow_unlearning(retraining: Retraining, method: Method, config: Any, task: ErasureTask) -> Unlearning:
    """A method with its configuration as a way to unlearn the forget set of `task` from shadows.

    Raises:
        Unavailable: it cannot be repeated how the original was trained.
    """
    settings = retraining.settings
    told = {
        **_told(retraining),
        "sources of methods": source_hash(*UNLEARNING),
        "method": method.name,
        "config": plain(asdict(config)),
        # what methods are told of the original's training, and the features that they see, whoever trains
        "original": None if retraining.recipe is None else _seedless(retraining.recipe),
        "head": retraining.artefact.classifier.head_name,
        "budget": [settings.max_steps, settings.max_seconds],
    }
    return Unlearning(Unlearned(retraining, method, config), told, task.forget, task.tuning)  # type: ignore[arg-type]


def shadow_statistics(
    plan: ShadowPlan,
    count: int,
    *,
    cache: Path,
    workers: Workers,
    desk: Desk,
    weights: bool = False,
    later: Sequence[Later] = (),
) -> Shadows:
    """The statistics of the first `count` shadows of a plan, of which only what is missing is trained.

    Once the first one is there, it is said how long the others will take; whoever sits at the desk may stop then.

    Args:
        plan: what shadows. count: how many in all.
        cache: folder of finished shadows. workers: who trains them. desk: who listens. weights: keep these too.
        later: what comes afterwards and belongs to the price.

    Raises:
        Unavailable: some failed, or were not wanted at that price; what was finished is kept.
        Interrupted: stopped from outside.
        DataError: the cache was tampered with.
    """
    desk.stage("shadow models")
    return collect(plan, count, ShadowCache(cache), run=_Launched(workers, desk, later), weights=weights)


@dataclass(frozen=True)
class Later:
    """What an audit takes beside the shadows of one plan.

    Args:
        what: it is, in words.
        shadows: how long it takes, in shadows of that plan; None where nobody can say.
        shared: whether the workers share it; else it is done here, one after the other.
    """

    what: str
    shadows: float | None
    shared: bool = True

    def price(self, seconds: float, at_once: int) -> str:
        """A clause of the price, where one shadow of the plan takes `seconds`."""
        if self.shadows is None:
            return f"{self.what}: nobody can say how long"
        return f"{self.what}: about {duration(seconds * self.shadows / (at_once if self.shared else 1))}"


@dataclass(frozen=True)
class _Work:
    """What workers are sent: once, with the pictures."""

    make: Make

    def __call__(self, index: int, _tell: Tell) -> Shadow:
        return self.make(index)


@dataclass(frozen=True)
class _Launched:
    """A `Run`: by workers, with somebody listening."""

    workers: Workers
    desk: Desk
    later: Sequence[Later]

    def __call__(self, make: Make, indices: Sequence[int]) -> Iterable[tuple[int, Shadow]]:
        began, trained, asked = time.monotonic(), 0, False
        jobs = {str(index): index for index in indices}
        for count, ended in enumerate(launch(_Work(make), jobs, self.workers), start=1):
            if ended.how != "done":
                self.desk.warn(f"shadow {ended.name}: {ended.error}")
                continue
            yield int(ended.name), ended.value
            trained += ended.value.pictures
            spent, left = time.monotonic() - began, len(jobs) - count
            rest = self._rest(ended.seconds, left)
            self.desk.progress(ProgressReport("trained", count, len(jobs), trained / spent, rest, {}))
            if (left or any(one.shared for one in self.later)) and not asked:
                self._ask(ended.seconds, left, rest)
                asked = True

    def _rest(self, seconds: float, left: int) -> float:
        """Seconds that the others take, as long as this one each: those under way are nearly done by now."""
        return seconds * math.ceil(max(0, left - (self.workers.at_once - 1)) / self.workers.at_once)

    def _ask(self, seconds: float, left: int, rest: float) -> None:
        at_once = self.workers.at_once
        price = f"one shadow model takes {duration(seconds)}; {left} more, {at_once} at a time: about {duration(rest)}"
        self.desk.say("; ".join([price, *(f"then {one.price(seconds, at_once)}" for one in self.later)]))
        if not self.desk.confirm("Train them?"):
            raise Unavailable("shadows: unavailable: not wanted at that price; what was finished is kept")


def _told(retraining: Retraining) -> dict[str, Any]:
    """Everything that decides what a training gives, but for pictures and seed."""
    return {
        "expunge": EXPUNGE,
        "sources": source_hash(*TRAINING),
        "versions": {name: installed(name) for name in VERSIONED},
        "architecture": _architecture(retraining.artefact),
        "recipe": _seedless(repeatable(retraining.recipe, "shadows")) if retraining.function is None else None,
        "function": _function(retraining.function) if retraining.function is not None else None,
        **_computed(retraining.settings),
    }


def _computed(settings: EngineSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in COMPUTED}


def _architecture(artefact: ModelArtefact) -> dict[str, Any]:
    """The network without its weights: layers, names, shapes, and small files such as a configuration."""
    model, kept = artefact.classifier, artefact.form.kept
    shapes = {name: [str(value.dtype), *value.shape] for name, value in model.net.state_dict().items()}
    return {
        "factory": artefact.form.factory,
        "layers": _hash(repr(model.net)),
        "code": _hash("".join(_own_code(model.net))),
        "shapes": _hash(json.dumps(shapes)),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in kept.items()},
        "preprocessing": plain(model.preprocessing),
    }


def _seedless(recipe: TrainRecipe) -> dict[str, Any]:
    told: dict[str, Any] = plain(recipe)
    del told["seed"]  # every shadow has its own
    return told


def _own_code(net: nn.Module) -> list[str]:
    """Texts of the modules of the user's own that define layers of a network, and of those beside them."""
    kinds = {layer.__module__: type(layer) for layer in net.modules()}
    return [_text(kinds[name]) for name in sorted(kinds) if name.partition(".")[0] not in LIBRARIES]


def _function(function: UserTrain) -> dict[str, str]:
    """The user's function by name, with what it was given and, where they can be read, the texts that it may use."""
    named = function.func if isinstance(function, functools.partial) else function
    named = named if hasattr(named, "__qualname__") else type(named)
    try:
        given = pickle.dumps(function).hex()
    except (pickle.PicklingError, AttributeError, TypeError):  # defined within another: no pool can be sent it either
        given = ""
    return {"name": f"{named.__module__}:{named.__qualname__}", "text": _hash(_text(named)), "given": _hash(given)}


def _text(named: object) -> str:
    """Texts of the loaded modules that something may use: its own, and those of the same package or directory.

    What it uses from elsewhere, such as installed packages, is not told.
    """
    module = inspect.getmodule(named)
    texts = [] if module is None else [_source(part) for part in _beside(module)]
    return "".join(texts) or _source(named)


def _beside(module: ModuleType) -> list[ModuleType]:
    top, place = module.__name__.partition(".")[0], _place(module)
    return [
        other
        for name, other in sorted(sys.modules.items())
        if name.partition(".")[0] == top or (place is not None and _place(other) == place)
    ]


def _place(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return str(Path(file).parent) if isinstance(file, str) else None


def _source(part: Any) -> str:
    with suppress(OSError, TypeError):
        return inspect.getsource(part)
    return ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
