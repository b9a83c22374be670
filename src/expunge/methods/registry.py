"""All methods by name, with their presets: the one list from which tables, help texts and docs are made.

A new method is its module, its test, and one line here.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from expunge.errors import MethodError
from expunge.methods import (
    auto,
    bad_teacher,
    bad_teacher_published,
    cfk,
    dlfd,
    dlfd_perturb,
    dlfd_published,
    euk,
    euk_published,
    finetune,
    neggrad,
    neggrad_plus,
    retrain,
    scrub,
    unsir,
    unsir_published,
)
from expunge.methods.cost import Passes, Sizes
from expunge.methods.phases import Context, Phases
from expunge.types import TrainRecipe


@dataclass(frozen=True)
class Method:
    """A method: its name (a preset's after a colon), default configuration, generator of phases, and what these cost.

    Where a stop rule may end a phase early, `cost` is the upper bound.
    """

    name: str
    config: Any
    phases: Callable[[Any, Context], Phases]
    cost: Callable[[Any, Sizes], Passes]

    @property
    def card(self) -> dict[str, str]:
        """The method's docstring by section: summary, formula, cost, when it fails, source."""
        return _card(inspect.getdoc(type(self.config)) or "")


_ALONE: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("retrain", retrain.Retrain(), retrain.retrain, retrain.cost),
        Method("finetune", finetune.FineTune(), finetune.finetune, finetune.cost),
        Method("finetune:published", finetune.PUBLISHED, finetune.finetune, finetune.cost),
        Method("cf-k", cfk.CFK(), cfk.cfk, cfk.cost),
        Method("cf-k:published", cfk.PUBLISHED, cfk.cfk, cfk.cost),
        Method("eu-k", euk.EUK(), euk.euk, euk.cost),
        Method("eu-k:published", euk_published.PublishedEUK(), euk_published.euk_published, euk_published.cost),
        Method("neggrad", neggrad.NegGrad(), neggrad.neggrad, neggrad.cost),
        Method("neggrad-plus", neggrad_plus.NegGradPlus(), neggrad_plus.neggrad_plus, neggrad_plus.cost),
        Method("unsir", unsir.UNSIR(), unsir.unsir, unsir.cost),
        Method(
            "unsir:published", unsir_published.PublishedUNSIR(), unsir_published.unsir_published, unsir_published.cost
        ),
        Method("bad-teacher", bad_teacher.BadTeacher(), bad_teacher.bad_teacher, bad_teacher.cost),
        Method(
            "bad-teacher:published",
            bad_teacher_published.PublishedBadTeacher(),
            bad_teacher_published.bad_teacher_published,
            bad_teacher_published.cost,
        ),
        Method("scrub", scrub.SCRUB(), scrub.scrub, scrub.cost),
        Method("scrub:rewind", scrub.REWIND, scrub.scrub, scrub.cost),
        Method("scrub:published", scrub.PUBLISHED, scrub.scrub, scrub.cost),
        Method("dlfd", dlfd.DLFD(), dlfd.dlfd, dlfd.cost),
        Method("dlfd:perturb", dlfd_perturb.PerturbingDLFD(), dlfd_perturb.dlfd_perturb, dlfd_perturb.cost),
        Method("dlfd:paper", dlfd_perturb.PAPER, dlfd_perturb.dlfd_perturb, dlfd_perturb.cost),
        Method("dlfd:published", dlfd_published.PublishedDLFD(), dlfd_published.dlfd_published, dlfd_published.cost),
    )
}

# What `auto` tries, in this order: methods by the best trial of their searches (benchmarks/results/search), which are
# judged by tuning non-members of a seed that no table uses; what a table reports has no say in it
TRIED = tuple(_ALONE[name] for name in ("dlfd", "neggrad-plus", "finetune", "scrub", "bad-teacher", "unsir"))
METHODS: Mapping[str, Method] = {
    **_ALONE,
    "auto": Method(
        "auto",
        auto.Auto(),
        functools.partial(auto.auto, candidates=TRIED),
        functools.partial(auto.cost, candidates=TRIED),
    ),
}

# One picture in ten is to be forgotten, of a model trained by the default recipe: so that costs can be compared.
EXAMPLE = Sizes(retain=9000, forget=1000, tuning=1000, recipe=TrainRecipe())

# Ranges (inclusive) of settings that mean the same in every method; a field that is not here is not a number.
LIMITS: Mapping[str, tuple[float, float]] = {
    "k": (1, 10_000),
    "forget_weight": (0, 1000),
    "forget_batch": (1, 65_536),
    "noise_batch": (1, 65_536),
    "impair_batch": (1, 65_536),
    "noise_steps": (1, 100_000),
    "noise_lr": (1e-9, 10),
    "noise_weight": (0, 1000),
    "noise_share": (0, 1),
    "impair_epochs": (1e-6, 10_000),
    "repair_epochs": (1e-6, 10_000),
    "impair_lr": (1e-9, 10),
    "repair_lr": (1e-9, 10),
    "max_epochs": (0, 10_000),
    "max_lr": (1e-9, 10),
    "temperature": (0.01, 1000),
    "alpha": (0, 1000),
    "beta": (0, 1000),
    "gamma": (0, 1000),
    "epochs": (1e-6, 10_000),
    "look_size": (1, 1_000_000),
    "rate": (1e-6, 100),
    "near": (1, 10_000),
    "forget_passes": (0, 10_000),
    "feature_weight": (0, 1000),
    "entropy_weight": (0, 1000),
    "class_weight": (0, 1000),
    "keep_weight": (0, 1000),
    "lost_weight": (0, 1000),
    "lr": (1e-9, 10),
    "batch_size": (1, 65_536),
    "transport_batch": (1, 65_536),
    "weight_decay": (0, 1),
    "radius": (0, 1),
    "step_size": (0, 10),
    "inner_steps": (0, 1000),
    "transport_weight": (0, 1e6),
    "class_weight_start": (0, 1e6),
    "class_weight_end": (0, 1e6),
    "clean_share": (0, 1),
    "budget": (0, 1000),
    "eta": (1e-6, 100),
    "tolerance": (-1, 1),
    "threshold": (0, 1),
    "save_threshold": (0, 1),
    "probe_every": (0, 1_000_000),
    "probe_size": (10, 1_000_000),
}


def resolve_method(name: str, overrides: Mapping[str, object] | None = None) -> tuple[Method, Any]:
    """The method called `name` and its configuration with `overrides` filled in.

    Args:
        name: e.g. `finetune` or `dlfd:paper`.
        overrides: fields of the configuration; values may be text as typed by a user.

    Raises:
        MethodError: no such method or setting, or a value of the wrong type or out of range.

    Example:
        >>> resolve_method("finetune", {"lr": "0.05"})[1].lr
        0.05
    """
    if name not in METHODS:
        raise MethodError("method", expected=f"one of {', '.join(METHODS)}", came=repr(name))
    method = METHODS[name]
    hints = typing.get_type_hints(type(method.config))
    values = {}
    for key, value in (overrides or {}).items():
        if key not in hints:
            allowed = ", ".join(hints) or "none"
            raise MethodError(f"{name}.{key}", expected=f"one of its settings ({allowed})", came=repr(key))
        values[key] = _checked(f"{name}.{key}", key, hints[key], value)
    return method, replace(method.config, **values)


def describe_methods() -> list[dict[str, object]]:
    """Name, settings with defaults, card, and passes on a task of `EXAMPLE` sizes of every method, ready for JSON."""
    return [
        {
            "name": m.name,
            "settings": {f.name: getattr(m.config, f.name) for f in fields(m.config)},
            **m.card,
            "passes": _passes(m),
        }
        for m in METHODS.values()
    ]


def _passes(method: Method) -> dict[str, float]:
    """What the method's defaults cost at most in the example, in pictures and in epoch-equivalents."""
    passes = method.cost(method.config, EXAMPLE)
    numbers = {name: getattr(EXAMPLE, name) for name in ("retain", "forget", "tuning")}
    return {**numbers, **asdict(passes), "epochs": round(passes.epochs(EXAMPLE.retain), 2)}


def _checked(field_name: str, key: str, hint: Any, value: object) -> object:
    if typing.get_origin(hint) is typing.Literal:
        allowed = typing.get_args(hint)
        if value not in allowed:
            raise MethodError(field_name, expected=f"one of {', '.join(map(str, allowed))}", came=repr(value))
        return value
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value.capitalize() if value.lower() in {"true", "false", "none"} else value)
        except (ValueError, SyntaxError):
            raise MethodError(field_name, expected="a number, true, false or none", came=repr(value)) from None
    options = typing.get_args(hint) or (hint,)
    if (value is None and type(None) in options) or (isinstance(value, bool) and bool in options):
        return value
    whole = int in options and float not in options
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise MethodError(field_name, expected="a whole number" if whole else "a number", came=repr(value))
    low, high = LIMITS[key]
    if not low <= value <= high:
        raise MethodError(field_name, expected=f"a number from {low:g} to {high:g}", came=repr(value))
    return value if whole else float(value)


def _card(text: str) -> dict[str, str]:
    """Sections of a method's docstring; a section starts at the margin with its title and a colon."""
    body, _, _ = text.partition("\nArgs:\n")
    summary, _, rest = body.partition("$$")
    card = {"summary": " ".join(summary.split()), "formula": " ".join(rest.partition("$$")[0].split())}
    titles = ("Cost", "Fails when", "Source", "Differs from")
    following = "|".join(titles)
    for title in titles:
        found = re.search(rf"^{title}[^:\n]*: (.*?)(?=^(?:{following})[^:\n]*: |\Z)", text, re.MULTILINE | re.DOTALL)
        card[title.lower().replace(" ", "_")] = " ".join(found[1].split()) if found else ""
    return card
