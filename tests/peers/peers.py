"""Independent implementations of the attacks, called on plain arrays. Nothing of expunge is imported here.

Inputs by name flow in, the peers' answers by name flow out. What a peer's module imports but does not need for its
formulas is replaced by empty modules; formulas are never touched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]


def answers(inputs: Mapping[str, Arrays]) -> dict[str, Array]:
    """Every peer's answers to the inputs of its group."""
    groups = (_confidence, _lira, _rmia, _klom, _epsilon, _art, _machine)
    return {name: np.asarray(v) for group in groups for name, v in group(inputs[group.__name__[1:]]).items()}


def _load(path: str, *, without: tuple[str, ...] = ()) -> ModuleType:
    """A peer's module from its file, with empty modules in the place of `without`.

    Without its assertions: one of them asks for the truth of a whole array, which cannot be answered.
    """
    for name in without:
        sys.modules[name] = _Empty(name)
    file = Path(os.environ["EXPUNGE_PEERS"], path)
    module = ModuleType(f"peer_{file.stem}")
    sys.modules[module.__name__] = module  # where dataclasses look themselves up
    exec(compile(file.read_text(), str(file), "exec", optimize=1), module.__dict__)
    return module


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> object:
        return _Empty(name)


def _privacy(name: str = "membership_inference_attack/advanced_mia") -> ModuleType:
    folder = "tensorflow_privacy/privacy/privacy_tests"
    parents = [folder.replace("/", ".").rsplit(".", up)[0] for up in (2, 1, 0)]
    return _load(f"tensorflow/privacy/{folder}/{name}.py", without=(*parents, f"{parents[-1]}.utils"))


def _challenge() -> ModuleType:
    return _load("google-deepmind/unlearning_evaluation/metric.py")


def _confidence(given: Arrays) -> dict[str, Array]:
    logits, labels = given["logits"], given["labels"]
    easydub = _load("RoyRin/data-unlearning-bench/unlearning_bench/eval.py", without=EASYDUB)
    entropy = _privacy("membership_inference_attack/data_structures").AttackInputData._get_entropy
    margins = easydub.get_margins_from_multimodel_logits(torch.tensor(logits)[None], torch.tensor(labels), "cpu")
    return {
        "tensorflow_privacy.logit": _privacy().calculate_statistic(logits.copy(), labels, option="logit"),
        "tensorflow_privacy.confidence": _privacy().calculate_statistic(logits.copy(), labels, option="conf with prob"),
        "tensorflow_privacy.loss": _privacy("utils").log_loss(labels, logits, from_logits=True),
        "tensorflow_privacy.entropy": entropy(logits, None),
        "tensorflow_privacy.modified_entropy": entropy(logits, labels),
        "tensorflow_privacy.hinge": _privacy().calculate_statistic(logits.copy(), labels, option="hinge"),
        "unlearning_evaluation.confidence": _challenge().compute_logit_scaled_confidence(logits.copy(), labels)[1],
        "data_unlearning_bench.margin": margins[0].numpy(),
    }


def _lira(given: Arrays) -> dict[str, Array]:
    shadows, inside = given["shadows"], given["inside"].astype(bool)
    sides = [[shadows[chosen[:, i], i][:, None] for i in range(shadows.shape[1])] for chosen in (inside, ~inside)]
    attack, target = _privacy().compute_score_lira, given["target"][:, None]
    return {
        f"tensorflow_privacy.lira.{name}": -attack(target, *sides, fix_variance=fixed, median_or_mean="mean")
        for name, fixed in (("per-example", False), ("fixed", True))
    }


def _rmia(given: Arrays) -> dict[str, Array]:
    attack = _load("privacytrustlab/ml_privacy_meter/modules/mia/attacks/rmia.py").run_rmia
    arguments = (given["target"], given["references"].T, given["inside"].astype(bool).T)
    population = (given["population_target"], given["population_references"].T)
    return {f"ml_privacy_meter.rmia.{a}": attack(*arguments, *population, a) for a in (0.0, 0.3, 1.0)}


EASYDUB = ("unlearning_bench", "unlearning_bench.paths")


def _klom(given: Arrays) -> dict[str, Array]:
    module = _load("RoyRin/data-unlearning-bench/unlearning_bench/eval.py", without=EASYDUB)
    pairs = zip(given["unlearned"].T, given["retrained"].T, strict=True)
    return {"data_unlearning_bench.klom": np.array([module.compute_binned_KL_div(p, q) for p, q in pairs])}


def _epsilon(given: Arrays) -> dict[str, Array]:
    challenge, sides = _challenge(), (given["retrained"], given["unlearned"])
    larger = np.median(sides[0], 0) > np.median(sides[1], 0)
    with _on_cpu():
        return {
            "unlearning_evaluation.epsilon": challenge._get_epsilons(
                np.where(larger, *sides), np.where(larger, *sides[::-1]), delta=challenge.DELTA
            ),
            "unlearning_evaluation.score": challenge.compute_forget_score_from_confs(sides[1], sides[0]),
        }


@contextmanager
def _on_cpu() -> Iterator[None]:
    """The challenge's code insists on a GPU; its numbers do not."""
    before = torch.Tensor.cuda
    torch.Tensor.cuda = lambda self: self  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.Tensor.cuda = before  # type: ignore[method-assign]


def _art(given: Arrays) -> dict[str, Array]:
    from art.attacks.inference.membership_inference import MembershipInferenceBlackBoxRuleBased
    from art.estimators.classification import BlackBoxClassifier

    logits, labels = given["logits"], given["labels"]
    itself = BlackBoxClassifier(lambda x: x, logits.shape[1:], logits.shape[1])
    gap = MembershipInferenceBlackBoxRuleBased(itself).infer(logits, labels)
    ours, theirs = given["members"], given["others"]
    return {
        "art.gap": gap,
        "art.regression": _held_out(ours[:, :1], theirs[:, :1], 5, _regression),
    }


def _machine(given: Arrays) -> dict[str, Array]:
    """How much like a member each picture is to a machine that was fitted on the other folds."""
    signals, fold, member = given["signals"], given["fold"], given["member"] == 1
    found = np.empty(len(signals))
    for number in np.unique(fold):
        held = fold == number
        machine = _fitted("svm", "standard", signals[~held & member], signals[~held & ~member])
        found[held] = machine.attack_model.decision_function(machine.scaler.transform(signals[held]))
    return {"art.svc": found}


Attack = Callable[[Array, Array, Array], Array]


def _held_out(members: Array, others: Array, folds: int, attack: Attack) -> Array:
    """1 where the guess of an attack fitted on the other folds is right."""
    both, side = np.r_[members, others], np.r_[np.ones(len(members)), np.zeros(len(others))]
    right = np.zeros(len(side))
    for fitted_on, held_out in StratifiedKFold(folds, shuffle=True, random_state=0).split(both, side):
        of_members = side[fitted_on] == 1
        guess = attack(both[fitted_on][of_members], both[fitted_on][~of_members], both[held_out])
        right[held_out] = guess.ravel() == side[held_out]
    return right


def _regression(members: Array, others: Array, held_out: Array) -> Array:
    """A side for each picture; the peer's own `infer` asks for a calibrated probability, which is another rule."""
    return np.asarray(_fitted("lr", None, members, others).attack_model.predict(held_out.astype(np.float32)))


def _fitted(kind: str, scaler: str | None, members: Array, others: Array) -> Any:
    """The peer's attack of this kind, fitted."""
    from art.attacks.inference.membership_inference import MembershipInferenceBlackBox
    from art.estimators.classification import BlackBoxClassifier

    itself = BlackBoxClassifier(lambda x: x, members.shape[1:], 2)
    machine = MembershipInferenceBlackBox(itself, attack_model_type=kind, scaler_type=scaler)
    machine.fit(pred=members, test_pred=others)
    return machine
