"""What the perturbation of DLFD does to pictures, and what learning them does to a model, step by step.

    python benchmarks/explain.py [--draw | --only VARIANT ...]

On seed 0 of `mufac-age`, with its original and its first reference. Two things are measured:

- `perturbing`: pictures of the retain set are perturbed on the untouched original, by the paper's objective and by its
  parts: transport cost to forget features, loss and answers of the pictures after so many inner steps.
- `training`: an epoch of the paper's form, its parts, and the published code, none of them stopping, and of the forms
  as they are, with their own rules; at the start and after so many steps:
  accuracies, AUROC, and where utility goes: what a new linear head reads from the features, the original's head on
  them, classes' share of the features' variance, CKA to the original, accuracy with batch norm's statistics taken from
  clean pictures.

Everything goes to results/explain.json, from which `--draw` draws the figures of docs/dlfd.md.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from expunge.app.desk import Silent
from expunge.bench.models import trained
from expunge.bench.protocol import read_protocol
from expunge.bench.tasks import bench_task
from expunge.engine.loop import run_phases
from expunge.engine.settings import EngineSettings, decide
from expunge.functional.losses import mean_loss, per_example_loss
from expunge.functional.ot import cosine_cost, exact_plan
from expunge.functional.perturb import ascend
from expunge.methods.phases import Context, Phases, Probe, Train, planned_steps
from expunge.methods.registry import resolve_method
from expunge.models.classifier import PixelClassifier, frozen
from expunge.models.predict import Predictions, predict
from expunge.types import ErasureTask, PictureSet, TrainRecipe
from search import CACHE, FACES, ROOT

RESULT, FIGURES = ROOT / "results" / "explain.json", ROOT.parent / "docs" / "figures"
RADII = {"0.5/255": 0.5 / 255, "2/255": 2 / 255, "8/255": 8 / 255}
# the paper's transport weight is 3; its classification weight rises from 0 to 1 over the epoch
OBJECTIVES: dict[str, tuple[float, float]] = {
    "transport": (3.0, 0.0),
    "transport, classification (end of the epoch)": (3.0, 1.0),
    "classification": (0.0, 1.0),
}
INNER, BATCHES, BATCH = 15, 4, 64
# what happens where forgetting never stops; names of `STEERED` are the methods as they are, with their own rules
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "paper": ("dlfd:paper", {}),
    "paper, radius 0.5/255": ("dlfd:paper", {"radius": 0.5 / 255}),
    "paper, without transport": ("dlfd:paper", {"transport_weight": 0.0}),
    "paper, without classification": ("dlfd:paper", {"class_weight_end": 0.0}),
    "paper, nothing perturbed": ("dlfd:paper", {"inner_steps": 0}),
    "published": ("dlfd:published", {}),
    "published, nothing perturbed": ("dlfd:published", {"inner_steps": 0}),
}
STEERED: dict[str, tuple[str, dict[str, Any]]] = {
    "paper, as it stops": ("dlfd:paper", {}),
    "published, as it stops": ("dlfd:published", {}),
    "dlfd": ("dlfd", {}),
}
EVERY, SAMPLE = 15, 2000
TITLES = {
    "transport": "transport cost to forget features",
    "loss": "loss of perturbed pictures, nats",
    "answers changed": "share of changed answers",
    "reporting": "accuracy, reporting",
    "new head": "the same, new linear head on the features",
    "clean batch norm": "the same, clean batch-norm statistics",
    "auroc": "membership AUROC, forget against reporting",
    "CKA to the original": "CKA of retain features to the original",
    "variance between classes": "share of variance between classes",
}
TRAINED = tuple(TITLES)[3:]


@dataclass(frozen=True)
class Bench:
    """Original and reference of one seed, and the pictures that are looked at."""

    task: ErasureTask
    original: PixelClassifier
    reference: PixelClassifier
    recipe: TrainRecipe
    settings: EngineSettings

    @classmethod
    def read(cls) -> Bench:
        protocol = read_protocol("mufac-age")
        size, settings = protocol.sizes["cpu"], decide(EngineSettings(seed=0))
        bench = bench_task(protocol, size, 0, path=FACES / protocol.data.file, cache=CACHE)

        def model(pictures: PictureSet, seed: int) -> PixelClassifier:
            made = trained(
                size.arch, pictures, bench.recipe(seed), side=size.side, settings=settings, cache=CACHE, desk=Silent()
            )
            return made.artefact.classifier.eval()

        original = model(bench.trained, bench.original_seed)
        reference = model(bench.task.retain, bench.reference_seed(0))
        return cls(bench.task, original, reference, bench.recipe(bench.original_seed), settings)


def perturbing(bench: Bench) -> list[dict[str, Any]]:
    """Rows of the first part: one for each objective, radius and number of inner steps."""
    found: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    order = torch.randperm(len(bench.task.retain), generator=torch.Generator().manual_seed(0))
    others = torch.randperm(len(bench.task.forget), generator=torch.Generator().manual_seed(1))
    for number in range(BATCHES):
        rows, theirs = (o[number * BATCH : (number + 1) * BATCH] for o in (order, others))
        x, y = bench.task.retain.pixels(rows).float().div(255), bench.task.retain.labels[rows]
        away = bench.task.forget.pixels(theirs).float().div(255)
        for key, z in perturbed(bench.original, x, y, away):
            found.setdefault(key, []).append(looked(bench, x, z, y, away))
    return [
        {"objective": key[0], "radius": key[1], "inner_steps": key[2]}
        | {name: round(float(np.mean([part[name] for part in parts])), 4) for name in parts[0]}
        for key, parts in found.items()
    ]


def perturbed(
    model: PixelClassifier, x: Tensor, y: Tensor, away: Tensor
) -> Iterator[tuple[tuple[str, str, int], Tensor]]:
    """The pictures under every objective, at every radius, after some numbers of steps."""
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(2)).sub(0.5).sign()
    with torch.no_grad():
        forget = model.features_and_logits(away)[0]
    for shown, radius in RADII.items():
        yield ("random signs", shown, INNER), (x + radius * noise).clamp(0, 1)
        for name, (transport_weight, class_weight) in OBJECTIVES.items():

            def objective(z: Tensor, ot: float = transport_weight, ce: float = class_weight) -> Tensor:
                features, logits = model.features_and_logits(z)
                cost = cosine_cost(features, forget)
                distance = (exact_plan(cost.detach()) * cost).sum()
                return ot * distance - ce * mean_loss(logits, y, sizes=model.spec.sizes)

            for steps in (0, 1, 2, 4, 8, INNER):
                # steps of the size that they have where all 15 are done
                with frozen(model):
                    z = ascend(x, objective, radius=radius, steps=steps, step_size=2.5 * radius / INNER)
                yield (name, shown, steps), z


def looked(bench: Bench, x: Tensor, z: Tensor, y: Tensor, away: Tensor) -> dict[str, float]:
    """What the original, and the reference that the perturbation never saw, make of perturbed pictures."""
    with torch.no_grad():
        features, logits = bench.original.features_and_logits(z)
        start, answers = bench.original.features_and_logits(x)
        forget = bench.original.features_and_logits(away)[0]
        other = bench.reference(z)
        cost = cosine_cost(features, forget)
        sizes = bench.original.spec.sizes
        return {
            "transport": float((exact_plan(cost) * cost).sum()),
            "loss": float(mean_loss(logits, y, sizes=sizes)),
            "accuracy": float((logits.argmax(1) == y[:, 0]).double().mean()),
            "answers changed": float((logits.argmax(1) != answers.argmax(1)).double().mean()),
            "features moved": float((1 - nn.functional.cosine_similarity(features, start)).mean()),
            "loss, reference": float(mean_loss(other, y, sizes=sizes)),
        }


def training(bench: Bench, had: list[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the second part: one for each variant and step, one for the reference; what was had of other names."""
    look = Look(bench)
    rows = [{"variant": "retrained", "phase": "", "step": 0, **look(bench.reference)}]
    for name, (method, changes) in {**VARIANTS, **STEERED}.items():
        if name in names:
            made = followed(bench, method, changes, look, steered=name in STEERED)
            rows += [{"variant": name, **row} for row in made]
            print(f"{name}: {rows[-1]}", flush=True)
        else:
            rows += [row for row in had if row["variant"] == name]
    return rows


def followed(
    bench: Bench, method: str, changes: Mapping[str, Any], look: Look, *, steered: bool
) -> list[dict[str, Any]]:
    """A run of a method, looked at every so many steps; what it steers itself by is left out, unless `steered`."""
    found, config = resolve_method(method, changes)
    rows: list[dict[str, Any]] = []
    model = copy.deepcopy(bench.original)

    def watched(phases: Phases) -> Phases:
        phase = next(phases, None)
        while phase is not None:
            if isinstance(phase, Train):
                phase = replace(phase, probe=noting(phase))
            result = yield phase
            try:
                phase = phases.send(result)
            except StopIteration:
                phase = None

    def noting(phase: Train) -> Probe:
        source = phase.sources[phase.epoch_of]
        last = phase.steps or planned_steps(phase.epochs or 0, len(source.pictures), source.batch_size)
        own = (phase.probe if steered else None) or Probe(EVERY, lambda _: {})
        steps = iter([*range(own.start, last, own.every), last])

        def measure(now: PixelClassifier) -> Mapping[str, float]:
            step, values = next(steps), dict(own.measure(now))
            if step == last or (step - own.start) % EVERY < own.every:
                told = {f"its own {name}": round(value, 4) for name, value in values.items()}
                rows.append({"phase": phase.name, "step": step, **look(now), **told})
            return values

        return replace(own, measure=measure, keep=None, final=True)  # the last weights are looked at

    context = Context(bench.task.steering, lambda: bench.original, bench.original.__class__, bench.recipe, 0)  # type: ignore[arg-type]
    run_phases(model, watched(found.phases(config, context)), settings=bench.settings)
    return rows


class Look:
    """Measures a model on clean pictures."""

    def __init__(self, bench: Bench) -> None:
        drawn = torch.randperm(len(bench.task.retain), generator=torch.Generator().manual_seed(3))[:SAMPLE]
        self.retain = bench.task.retain.subset(drawn.sort().values)
        self.task, self.head = bench.task, bench.original.head
        self.before = self._features(bench.original, self.retain)

    def __call__(self, model: PixelClassifier) -> dict[str, float]:
        retain, forget, reporting = (
            predict(model, part, features=True) for part in (self.retain, self.task.forget, self.task.reporting)
        )
        losses = [
            per_example_loss(seen.logits, part.labels, sizes=part.spec.sizes).numpy()
            for seen, part in ((forget, self.task.forget), (reporting, self.task.reporting))
        ]
        member = np.repeat([1, 0], [len(part) for part in losses])
        features = _array(retain)
        told = {
            "retain": hits(retain.logits, self.retain),
            "forget": hits(forget.logits, self.task.forget),
            "reporting": hits(reporting.logits, self.task.reporting),
            "auroc": float(roc_auc_score(member, -np.concatenate(losses))),
            "forget loss": float(losses[0].mean()),
            "reporting loss": float(losses[1].mean()),
            "new head": self._new_head(features, _array(reporting)),
            "original's head": hits(self.head(torch.from_numpy(_array(reporting))), self.task.reporting),
            "variance between classes": between(features, self.retain.labels[:, 0].numpy()),
            "CKA to the original": cka(features, self.before),
            "clean batch norm": self._clean_statistics(model),
        }
        return {name: round(value, 4) for name, value in told.items()}

    def _features(self, model: PixelClassifier, pictures: PictureSet) -> np.ndarray[Any, Any]:
        return _array(predict(model, pictures, features=True))

    def _new_head(self, features: np.ndarray[Any, Any], held_out: np.ndarray[Any, Any]) -> float:
        """Reporting accuracy of a linear head fitted to retain features: what the backbone still tells."""
        scale = StandardScaler().fit(features)
        fitted = LogisticRegression(C=0.01, max_iter=300).fit(scale.transform(features), self.retain.labels[:, 0])
        return float(fitted.score(scale.transform(held_out), self.task.reporting.labels[:, 0]))

    def _clean_statistics(self, model: PixelClassifier) -> float:
        """Reporting accuracy with batch norm's statistics taken anew from clean retain pictures."""
        other = copy.deepcopy(model)
        for layer in other.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_running_stats()
                layer.momentum = None  # the mean over all batches
        other.train()
        with torch.no_grad():
            for rows in torch.arange(len(self.retain)).split(256):
                other(self.retain.pixels(rows).float().div(255))
        return hits(predict(other.eval(), self.task.reporting).logits, self.task.reporting)


def _array(seen: Predictions) -> np.ndarray[Any, Any]:
    assert seen.features is not None
    return seen.features.float().numpy()


def hits(logits: Tensor, pictures: PictureSet) -> float:
    return float((logits.argmax(1) == pictures.labels[:, 0]).double().mean())


def between(features: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    """Share of the features' variance that lies between classes, 0..1."""
    middle = features.mean(0)
    total = float(((features - middle) ** 2).sum())
    parts = [(features[labels == label].mean(0) - middle, int((labels == label).sum())) for label in np.unique(labels)]
    return sum(n * float((apart**2).sum()) for apart, n in parts) / total


def cka(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019), 0..1."""
    a, b = a - a.mean(0), b - b.mean(0)
    return float(np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))


def draw(found: Mapping[str, Any]) -> None:
    """Both figures, from the results alone."""
    matplotlib.rcParams["svg.hashsalt"] = "explain"
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    shown = {"transport": "C3", "transport, classification (end of the epoch)": "C0", "classification": "C2"}
    for axis, name in zip(axes, ("transport", "loss", "answers changed"), strict=True):
        for objective, colour in shown.items():
            rows = [r for r in found["perturbing"] if (r["objective"], r["radius"]) == (objective, "2/255")]
            axis.plot([r["inner_steps"] for r in rows], [r[name] for r in rows], colour, marker="o", label=objective)
        (noise,) = (r for r in found["perturbing"] if (r["objective"], r["radius"]) == ("random signs", "2/255"))
        axis.plot([noise["inner_steps"]], [noise[name]], "kx", label="random signs of the same size")
        axis.set(xlabel="inner steps", title=TITLES[name])
    axes[0].legend(fontsize=7)
    figure.savefig(FIGURES / "dlfd-perturbing.svg", metadata={"Date": None})
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.6), layout="constrained", sharex=True)
    retrained = next(r for r in found["training"] if r["variant"] == "retrained")
    for axis, name in zip(axes.flat, TRAINED, strict=True):
        for variant in (*VARIANTS, *STEERED):
            rows = [r for r in found["training"] if r["variant"] == variant]
            axis.plot([r["step"] for r in rows], [r[name] for r in rows], label=variant)
        axis.axhline(retrained[name], color="k", linestyle=":", label="retrained")
        axis.set(title=TITLES[name])
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    for axis in axes[1]:
        axis.set_xlabel("steps")
    figure.savefig(FIGURES / "dlfd-training.svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="the figures alone, from what was measured before")
    parser.add_argument("--only", nargs="*", metavar="VARIANT", help="variants of training that are measured anew")
    given = parser.parse_args()
    had = json.loads(RESULT.read_text()) if RESULT.exists() else {"training": []}
    if given.draw:
        draw(had)
        return
    bench = Bench.read()
    names = given.only or [*VARIANTS, *STEERED]
    pictures = had["perturbing"] if given.only else perturbing(bench)
    found = {"perturbing": pictures, "training": training(bench, had["training"], names)}
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    draw(found)


if __name__ == "__main__":
    main()
