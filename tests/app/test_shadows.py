"""Shadows as a use case: trained and unlearned as models are here, the same by whomever, and priced by the first."""

from __future__ import annotations

import copy
import functools
import importlib
import importlib.util
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from expunge.app.references import Retraining
from expunge.app.shadows import TRAINING, UNLEARNING, Later, shadow_statistics, shadow_training, shadow_unlearning
from expunge.app.user import train_function
from expunge.app.versions import ROOT, installed, source_hash
from expunge.audits.halves import half, joined
from expunge.engine.jobs import Kind, Workers
from expunge.engine.recipe import train_model
from expunge.errors import Unavailable
from expunge.functional.attacks.signals import scaled_confidence
from expunge.methods.registry import resolve_method
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.load import new_model
from expunge.models.predict import predict
from expunge.models.weights import state_bytes_hash
from expunge.types import Augmentation, Optimizer, PictureSet
from tests.app.shadowing import HERE, RECIPE, SETTINGS, TASK, Fails, Listener, artefact, everybody, plan, retraining

RAY = pytest.param(
    "ray", marks=pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
)
COUNT = 4


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:  # type: ignore[type-arg]
    """The statistics of shadows that were trained in this process."""
    place = tmp_path_factory.mktemp("here")
    return shadow_statistics(plan(), COUNT, cache=place, workers=HERE, desk=Listener()).scaled


def test_a_shadow_is_trained_as_any_model_is(here: np.ndarray) -> None:  # type: ignore[type-arg]
    pictures, seed = everybody(), plan().seed_of(1)
    model = artefact().fresh(seed)
    trained = pictures.subset(torch.from_numpy(half(pictures, 1, seed=0)))
    train_model(model, trained, replace(RECIPE, seed=seed), settings=SETTINGS)
    expected = scaled_confidence(predict(model, pictures).logits.numpy(), pictures.labels.numpy(), sizes=(3,))
    np.testing.assert_allclose(here[1, :, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["pool", RAY])
def test_by_two_workers_the_numbers_are_the_same(tmp_path: Path, here: np.ndarray, kind: Kind) -> None:  # type: ignore[type-arg]
    found = shadow_statistics(plan(), COUNT, cache=tmp_path, workers=Workers(kind, 2, 2), desk=Listener())
    assert (found.scaled == here).all()


def test_unlearned_shadows_go_through_the_method(tmp_path: Path) -> None:
    """Against never-seen shadows of the same plan: the method changed the answers, and each from its own model."""
    never = replace(plan(), population=TASK.retain)
    seen = {}
    for name, lr in (("finetune", 0.01), ("finetune", 0.02), ("neggrad", 0.001)):
        method, config = resolve_method(name, {"epochs": 1, "lr": lr, "batch_size": 16})
        unlearning = shadow_unlearning(retraining(), method, config, TASK)
        found = shadow_statistics(
            replace(never, unlearning=unlearning), 1, cache=tmp_path, workers=HERE, desk=Listener()
        )
        assert found.inside[0, : len(TASK.forget)].all()
        seen[name, lr] = found.scaled
    apart = [seen["finetune", 0.01], seen["finetune", 0.02], seen["neggrad", 0.001]]
    assert all(not np.allclose(apart[i], apart[j]) for i in range(3) for j in range(i))


def test_the_method_is_handed_the_half_and_the_forget_set(tmp_path: Path) -> None:
    """Retraining as a method must equal a never-seen shadow that is trained with the same seed."""
    method, config = resolve_method("retrain")
    unlearning = shadow_unlearning(retraining(), method, config, TASK)
    retrained_plan = replace(plan(), population=TASK.retain, unlearning=unlearning)
    found = shadow_statistics(retrained_plan, 1, cache=tmp_path, workers=HERE, desk=Listener())
    seed = retrained_plan.seed_of(0)
    retain = TASK.retain.subset(torch.from_numpy(half(TASK.retain, 0, seed=0)))
    model = shadow_training(retraining()).train(joined([retain, TASK.forget]), seed)
    task = replace(TASK.steering, retain=retain)
    expected = predict(unlearning.unlearn(model, task, seed), everybody()).logits.numpy()  # type: ignore[arg-type]
    expected = scaled_confidence(expected, everybody().labels.numpy(), sizes=(3,))
    np.testing.assert_allclose(found.scaled[0, :, 0], expected, rtol=1e-5, atol=1e-6)


def mine(subset: PictureSet, seed: int) -> PixelClassifier:
    """A training function of a user's own, which uses torch's own generator."""
    model = artefact().classifier
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape) * len(subset) / 100)
    return model


def other(subset: PictureSet, seed: int) -> PixelClassifier:
    """Another one."""
    return artefact().classifier


def test_a_function_of_the_users_own_follows_its_seed(tmp_path: Path) -> None:
    own = replace(plan(), training=shadow_training(replace(retraining(), recipe=None, function=mine)))
    first, second = (
        shadow_statistics(own, 2, cache=tmp_path / name, workers=HERE, desk=Listener()).scaled for name in "ab"
    )
    assert (first == second).all() and not np.allclose(first[0], first[1])


CHANGES: dict[str, Callable[[Retraining], Retraining]] = {
    "epochs": lambda r: replace(r, recipe=replace(RECIPE, epochs=2)),
    "lr": lambda r: replace(r, recipe=replace(RECIPE, optimizer=Optimizer(lr=0.02))),
    "augmentation": lambda r: replace(r, recipe=replace(RECIPE, augmentation=Augmentation(flip=False))),
    "architecture": lambda r: replace(r, artefact=artefact(width=12)),
    "same shapes, another layer": lambda r: replace(r, artefact=artefact(slope=0.1)),
    "precision": lambda r: replace(r, settings=replace(SETTINGS, precision="bf16")),
    "layout": lambda r: replace(r, settings=replace(SETTINGS, channels_last="on")),
    "micro-batches": lambda r: replace(r, settings=replace(SETTINGS, accumulate=2)),
    "own function": lambda r: replace(r, function=mine),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_decides_a_training_is_told(change: Callable[[Retraining], Retraining]) -> None:
    before, after = (shadow_training(r).told for r in (retraining(), change(retraining())))
    assert before != after


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, recipe=replace(RECIPE, seed=9)),
        lambda r: replace(r, artefact=artefact(seed=9)),
        lambda r: replace(r, settings=replace(SETTINGS, threads=2, checkpoint_seconds=1, max_seconds=1)),
    ],
    ids=["seed of the original", "weights of the original", "threads and budget"],
)
def test_what_does_not_decide_it_is_not(change: Callable[[Retraining], Retraining]) -> None:
    before, after = (shadow_training(r).told for r in (retraining(), change(retraining())))
    assert before == after


OTHERS: dict[str, tuple[str, Callable[[str], str]]] = {
    "sources": ("source_hash", lambda name: f"another {name}"),
    "torch": ("installed", lambda name: "0.1" if name == "torch" else installed(name)),
    "timm": ("installed", lambda name: "0.1" if name == "timm" else installed(name)),
}


@pytest.mark.parametrize(("name", "other"), OTHERS.values(), ids=OTHERS)
def test_a_shadow_of_other_code_is_not_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, other: Callable[[str], str]
) -> None:
    """The version of the library stays the same while its sources are edited."""
    shadow_statistics(plan(), 1, cache=tmp_path, workers=HERE, desk=Listener())
    shadow_statistics(plan(), 1, cache=tmp_path, workers=HERE, desk=Listener())
    assert len(list(tmp_path.glob("*.json"))) == 1
    monkeypatch.setattr(f"expunge.app.shadows.{name}", lambda first, *_: other(first))
    shadow_statistics(plan(), 1, cache=tmp_path, workers=HERE, desk=Listener())
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_other_sources_of_methods_are_another_unlearning_and_the_same_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> tuple[object, object]:
        unlearning = shadow_unlearning(retraining(), *resolve_method("finetune"), TASK).told
        return shadow_training(retraining()).told, unlearning

    before = told()
    monkeypatch.setattr("expunge.app.shadows.source_hash", lambda *p: "new" if p == UNLEARNING else source_hash(*p))
    after = told()
    assert before[0] == after[0] and before[1] != after[1]


def test_any_letter_of_the_sources_is_in_their_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "engine").mkdir()
    monkeypatch.setattr("expunge.app.versions.ROOT", tmp_path)

    def now(path: str, text: str) -> str:
        (tmp_path / path).write_text(text)
        source_hash.cache_clear()
        return source_hash("engine")

    steps = (("engine/a.py", "1"), ("engine/a.py", "2"), ("engine/b.py", ""), ("other.py", "1"))
    found = [now(*step) for step in steps]
    source_hash.cache_clear()
    assert len(set(found)) == 3 and found[2] == found[3]
    assert all((ROOT / part).exists() for part in (*TRAINING, *UNLEARNING))


def test_two_functions_are_told_apart() -> None:
    told = [shadow_training(replace(retraining(), function=function)).told for function in (mine, other)]
    assert told[0] != told[1] and all(t["recipe"] is None for t in told)


OWN = """
from torch import nn

RATE = 0.1

class Scaled(nn.Flatten):
    def forward(self, x):
        return super().forward(x) * RATE

def network():
    return nn.Sequential(Scaled(), nn.Linear(192, 3))

def train(subset, seed):
    return network()
"""


@pytest.mark.parametrize("own", ["function", "network"])
def test_what_code_of_a_users_own_calls_decides_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    """The text of the function, or the names of layers, stay as they are; what they use does not."""
    monkeypatch.syspath_prepend(tmp_path)
    told = []
    for number, rate in enumerate(("0.1", "0.2")):
        (tmp_path / "shadow_own.py").write_text(OWN.replace("RATE = 0.1", f"RATE = {rate}") + "\n" * number)
        monkeypatch.delitem(sys.modules, "shadow_own", raising=False)
        importlib.invalidate_caches()
        if own == "function":
            changed = replace(retraining(), function=train_function("shadow_own:train"))
        else:
            known = new_model("shadow_own:network", everybody().spec, Preprocessing((8, 8)), seed=0)
            changed = replace(retraining(), artefact=known)
        told.append(shadow_training(changed).told)
    assert told[0] != told[1]


@pytest.mark.parametrize("package", ["", "shadow_package"], ids=["directory", "package"])
def test_what_such_code_imports_from_beside_it_decides_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """A constant that was imported by name does not tell where it came from."""
    place, dot = tmp_path / package, package and f"{package}."
    (place / "inner").mkdir(parents=True)
    inner = f"from {dot}inner.rates import RATE" if package else "from shadow_rates import RATE"
    (place / "shadow_own.py").write_text(OWN.replace("RATE = 0.1", inner))
    monkeypatch.syspath_prepend(tmp_path)
    told = []
    for rate in ("0.1", "0.25"):
        rates = place / "inner/rates.py" if package else place / "shadow_rates.py"
        rates.write_text(f"RATE = {rate}\n")
        for name in [name for name in sys.modules if name.partition(".")[0] in (package, "shadow_own", "shadow_rates")]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        told.append(shadow_training(replace(retraining(), function=train_function(f"{dot}shadow_own:train"))).told)
    assert told[0] != told[1]


def test_modules_elsewhere_do_not_decide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shadow_elsewhere.py").write_text("")
    before = shadow_training(replace(retraining(), function=mine)).told
    importlib.import_module("shadow_elsewhere")
    assert shadow_training(replace(retraining(), function=mine)).told == before


def test_the_same_function_with_other_settings_is_another() -> None:
    told = [shadow_training(replace(retraining(), function=functools.partial(mine, seed=seed))).told for seed in (1, 2)]
    again = shadow_training(replace(retraining(), function=functools.partial(mine, seed=1))).told
    assert told[0] != told[1] and told[0] == again


@pytest.mark.parametrize(
    "change",
    [
        lambda r: (r, *resolve_method("neggrad")),
        lambda r: (r, *resolve_method("finetune", {"lr": 0.5})),
        lambda r: (replace(r, settings=replace(SETTINGS, max_steps=3)), *resolve_method("finetune")),
        lambda r: (replace(r, recipe=replace(RECIPE, epochs=2)), *resolve_method("finetune")),
    ],
    ids=["method", "setting", "budget", "recipe"],
)
def test_what_decides_an_unlearning_is_told(change: Callable[[Retraining], tuple[Retraining, object, object]]) -> None:
    before = shadow_unlearning(retraining(), *resolve_method("finetune"), TASK).told
    assert shadow_unlearning(*change(retraining()), TASK).told != before  # type: ignore[arg-type]


def test_a_method_beside_an_own_function_still_sees_recipe_and_head() -> None:
    """Methods restart by the recipe and read features before the head, whoever trains."""
    own = replace(retraining(), function=mine)
    other_head = copy.deepcopy(own.artefact)
    other_head.classifier.head_name = "0"
    others = replace(own, recipe=replace(RECIPE, epochs=2)), replace(own, artefact=other_head)
    told, *changed = (shadow_unlearning(r, *resolve_method("finetune"), TASK).told for r in (own, *others))
    assert told not in changed


@pytest.mark.parametrize("architecture", ["resnet10-quarter", "dlfd-resnet18", "tests.app.shadowing:network"])
def test_every_kind_of_original_can_be_sent_to_workers(architecture: str) -> None:
    known = new_model(architecture, everybody().spec, Preprocessing((32, 32)), seed=0)
    sent = pickle.loads(pickle.dumps(known))
    assert state_bytes_hash(sent.fresh(5)) == state_bytes_hash(known.fresh(5)) != known.weights_sha256


def test_without_a_recipe_there_are_no_shadows() -> None:
    with pytest.raises(Unavailable, match="no recipe"):
        shadow_training(replace(retraining(), recipe=None))


def test_a_training_from_other_weights_takes_the_users_function() -> None:
    started = replace(retraining(), recipe=replace(RECIPE, start="imagenet.safetensors"))
    with pytest.raises(Unavailable, match=r"shadows: .* trained from imagenet\.safetensors"):
        shadow_training(started)
    assert shadow_training(replace(started, function=mine)).told["recipe"] is None


def test_the_first_shadow_says_the_price_and_no_ends_it(tmp_path: Path) -> None:
    listener = Listener(answer=False)
    with pytest.raises(Unavailable, match="not wanted at that price; what was finished is kept"):
        shadow_statistics(plan(), 3, cache=tmp_path, workers=HERE, desk=listener)
    assert len(list(tmp_path.glob("*.json"))) == 1
    assert listener.said[0].startswith("one shadow model takes") and "2 more, 1 at a time" in listener.said[0]
    willing = Listener()
    shadow_statistics(plan(), 3, cache=tmp_path, workers=HERE, desk=willing)
    assert willing.done == [(1, 2), (2, 2)]


def test_what_comes_later_is_in_the_price_and_what_is_not_asked_about_is_not_asked(tmp_path: Path) -> None:
    later = [Later("2 others", 3.0), Later("4 unlearnings", None), Later("the probes", 0.5, shared=False)]
    assert later[0].price(20.0, 2) == "2 others: about 30 s" and later[2].price(20.0, 2) == "the probes: about 10 s"
    listener = Listener(answer=False)
    with pytest.raises(Unavailable, match="not wanted"):
        shadow_statistics(plan(), 1, cache=tmp_path / "a", workers=HERE, desk=listener, later=later)
    (price,) = listener.said
    assert "0 more" in price and "; then 2 others: about" in price and "; then the probes: about" in price
    assert "; then 4 unlearnings: nobody can say how long" in price
    # probes alone come whatever is answered
    shadow_statistics(plan(), 1, cache=tmp_path / "b", workers=HERE, desk=Listener(answer=False), later=later[2:])


def test_a_shadow_that_fails_is_told_and_the_others_are_kept(tmp_path: Path) -> None:
    broken = replace(plan(), training=replace(plan().training, train=Fails(plan().seed_of(1))))
    listener = Listener()
    with pytest.raises(Unavailable, match=r"1 of 3 could not be made \(number 1\)"):
        shadow_statistics(broken, 3, cache=tmp_path, workers=HERE, desk=listener)
    assert listener.warnings == ["shadow 1: ValueError: not this one"] and len(list(tmp_path.glob("*.json"))) == 2


def test_killed_in_the_pool_it_goes_on_where_it_was(tmp_path: Path, here: np.ndarray) -> None:  # type: ignore[type-arg]
    words = [sys.executable, "-m", "tests.app.shadowing", str(tmp_path)]
    process = subprocess.Popen(words, cwd=Path(__file__).parents[2])
    end = time.monotonic() + 120
    while not list(tmp_path.glob("*.json")) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)
    process.kill()
    process.wait()
    time.sleep(0.5)  # workers die with their parent, and write nothing themselves
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert 1 <= len(finished) < 200
    listener = Listener()
    found = shadow_statistics(plan(), COUNT, cache=tmp_path, workers=HERE, desk=listener)
    assert (found.scaled == here).all()
    assert all(path.stat().st_mtime_ns == then for path, then in finished.items())
    assert len(listener.done) == len(list(tmp_path.glob("*.json"))) - len(finished)
