"""Searches settings for every method: as many trials for each, judged on tuning non-members, on a seed of its own.

    python benchmarks/search.py [--trials 40] [--jobs 2] [METHOD ...]

The objective is d + d_all, the two distances of the tables to models retrained without the forget set, with tuning
non-members in the place of the reporting ones (which are not even in the task that is handed out here). The seed of
`search.yaml` is used by no table. A method that reads tuning pictures is shown one half of the people there and is
judged on the other. The first trial of a method are its defaults, Optuna's TPE proposes the others; of a space that has
fewer points than there are trials, every point is tried.
Every trial is kept under results/search; a search that was stopped goes on from what is there, also where the space
was widened since: a setting that was not searched then had its default.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import zlib
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from sklearn.metrics import roc_auc_score

from expunge.app.desk import Silent
from expunge.app.line import Erasure, unlearn, watch
from expunge.app.references import Retraining
from expunge.audits.observe import Observation
from expunge.bench.models import trained
from expunge.bench.protocol import read_protocol
from expunge.bench.tasks import bench_task
from expunge.data.requests import Resolution
from expunge.data.splits import draw_roles
from expunge.engine.events import Events
from expunge.engine.settings import EngineSettings, decide
from expunge.errors import ExpungeError
from expunge.methods.registry import METHODS, resolve_method
from expunge.types import SPLITS

ROOT = Path(__file__).parent
FACES = Path(os.environ.get("EXPUNGE_FACES", ROOT.parents[0] / "../shared/faces"))
CACHE, RESULTS = ROOT.parent / "runs" / "cache", ROOT / "results" / "search"
PROTOCOL = str(ROOT / "search.yaml")
REFERENCES, MAX_SECONDS = 2, 600.0

Range = tuple[Any, ...]  # ("log" | "real", low, high) or ("one of", a, b, ...)
LR: Range = ("log", 1e-3, 0.5)
SPACES: dict[str, dict[str, Range]] = {
    "finetune": {"lr": LR, "epochs": ("one of", 1.0, 1.5, 2.0), "weight_decay": ("log", 1e-4, 1e-1)},
    "neggrad": {"lr": ("log", 3e-4, 3e-2), "epochs": ("one of", 0.5, 1.0, 2.0, 3.0)},
    "cf-k": {"k": ("one of", 2, 6, 11), "lr": LR, "weight_decay": ("log", 1e-4, 1e-1)},
    "eu-k": {"k": ("one of", 2, 4, 6, 8, 11, 14), "epochs": ("one of", 1.0, 1.5, 2.0)},
    "neggrad-plus": {
        "lr": LR,
        "epochs": ("one of", 1.0, 2.0),
        "forget_weight": ("log", 0.01, 1.0),
        "weight_decay": ("log", 1e-4, 1e-1),
    },
    "unsir": {
        "impair_lr": ("log", 1e-3, 1.0),
        "repair_lr": LR,
        "repair_epochs": ("one of", 1.0, 2.0),
        "noise_share": ("real", 0.05, 1.0),
        "noise_weight": ("log", 1e-4, 0.3),
    },
    "bad-teacher": {
        "lr": LR,
        "epochs": ("one of", 1.0, 1.5, 2.0),
        "forget_weight": ("log", 0.02, 4.0),
        "temperature": ("one of", 1.0, 4.0),
    },
    "scrub": {
        "lr": LR,
        "max_lr": ("log", 1e-4, 3e-2),
        "alpha": ("real", 0.0, 2.0),
        "temperature": ("one of", 1.0, 4.0),
        "max_epochs": ("one of", 1, 2),
    },
    "dlfd": {
        "rate": ("log", 0.03, 0.3),
        "transport_weight": ("log", 0.4, 6.0),
        "feature_weight": ("log", 0.1, 10.0),
        "keep_weight": ("log", 0.4, 8.0),
    },
    "dlfd:perturb": {
        "lr": ("log", 1e-2, 0.3),
        "radius": ("log", 0.5 / 255, 8 / 255),
        "clean_share": ("real", 0.0, 0.75),
        "transport_weight": ("log", 0.3, 30.0),
        "class_weight_end": ("log", 0.3, 30.0),
    },
}


READS_TUNING = ("dlfd",)  # dlfd:perturb, too, does so; its trials are older than this rule


class Bench:
    """The original, its references and the task, reporting pictures taken out."""

    def __init__(self, threads: int, *, halved: bool) -> None:
        torch.set_num_threads(threads)
        protocol = read_protocol(PROTOCOL)
        size, seed = protocol.sizes["cpu"], protocol.seeds[0]
        path = FACES / protocol.data.file
        self.settings = decide(EngineSettings(seed=seed, threads=threads))
        bench = bench_task(protocol, size, seed, path=path, cache=CACHE)
        # whatever is measured on "reporting" from here on is measured on tuning
        shown = judged = bench.task.tuning
        if halved:
            assert shown.subjects is not None
            roles = draw_roles(shown.subjects.tolist(), shares={"train": 0.5, "tuning": 0.5})
            shown, judged = (shown.subset(np.flatnonzero(roles == role).tolist()) for role in ("train", "tuning"))
        self.task = replace(bench.task, tuning=shown, reporting=judged)
        self.resolution = Resolution(self.task, bench.resolution.findings)
        common: dict[str, Any] = {"side": size.side, "settings": self.settings, "cache": CACHE, "desk": Silent()}
        self.original = trained(size.arch, bench.trained, bench.recipe(bench.original_seed), **common).artefact
        self.references = []
        for number in range(REFERENCES):
            recipe = bench.recipe(bench.reference_seed(number))
            model = trained(size.arch, self.task.retain, recipe, **common).artefact.classifier
            self.references.append(values(watch(model, self.task, self.settings)))

    def score(self, method: str, changes: dict[str, Any]) -> dict[str, Any]:
        """What a method with these settings comes to; a failure is one of the outcomes."""
        found, config = resolve_method(method, changes)
        retraining = Retraining(self.original, self.task.retain, self.original.recipe, None, self.settings)
        erasure = Erasure(
            self.resolution,
            self.original,
            found,
            config,
            retraining,
            (),
            0,
            replace(self.settings, max_seconds=MAX_SECONDS),
            "",
        )
        try:
            model, outcome = unlearn(erasure, None, Events(None), Silent())
        except ExpungeError as error:
            return {"failed": str(error), "objective": 2.0}
        ours = values(watch(model, self.task, self.settings))
        gaps = {name: float(np.mean([abs(ours[name] - r[name]) for r in self.references])) for name in ours}
        d = float(np.mean([max(abs(ours[n] - r[n]) for n in ("reporting", "auroc")) for r in self.references]))
        d_all = float(np.mean([max(abs(ours[n] - r[n]) for n in ours) for r in self.references]))
        told = {"d": d, "d_all": d_all, "gaps": gaps, "values": ours, "seconds": outcome.seconds}
        return {"objective": d + d_all, **told}


def values(seen: Observation) -> dict[str, float]:
    """Accuracies on retain, forget and tuning (under the name reporting), and the attack's AUROC."""
    found = {name: float(seen[name].hits.mean()) for name in SPLITS if name != "tuning"}
    losses = [seen[name].losses for name in ("forget", "reporting")]
    truth = np.repeat([1, 0], [len(part) for part in losses])
    return {**found, "auroc": float(roc_auc_score(truth, -np.concatenate(losses)))}


def distributions(method: str) -> dict[str, BaseDistribution]:
    """The space of a method as Optuna has it."""
    made: dict[str, BaseDistribution] = {}
    for name, (kind, *rest) in SPACES[method].items():
        made[name] = CategoricalDistribution(rest) if kind == "one of" else FloatDistribution(*rest, log=kind == "log")
    return made


def points(method: str) -> list[dict[str, Any]]:
    """Every point of a space without a continuous setting; none of any other."""
    if any(kind != "one of" for kind, *_ in SPACES[method].values()):
        return []
    return [
        dict(zip(SPACES[method], point, strict=True)) for point in product(*(r for _, *r in SPACES[method].values()))
    ]


def defaults(method: str) -> dict[str, Any]:
    """The defaults of the searched settings, moved into the space where they lie outside."""
    made = {}
    for name, (kind, *rest) in SPACES[method].items():
        value = getattr(METHODS[method].config, name)
        if kind == "one of":
            made[name] = value if value in rest else rest[-1]
        else:
            made[name] = min(max(value, rest[0]), rest[1])
    return made


def search(method: str, trials: int, threads: int) -> None:
    """All trials of one method, those that are on file not repeated."""
    place = RESULTS / f"{method.replace(':', '-')}.json"
    found = json.loads(place.read_text()) if place.exists() else {"method": method, "trials": []}
    space, usual = distributions(method), defaults(method)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for told in found["trials"]:
        told["settings"] = {**usual, **told["settings"]}
        study.add_trial(
            optuna.trial.create_trial(params=told["settings"], distributions=space, value=told["objective"])
        )
    had = [told["settings"] for told in found["trials"]]
    left = [point for point in points(method) if point not in had]
    if points(method) and len(points(method)) <= trials:
        trials = len(had) + len(left)
        for point in left:
            study.enqueue_trial(point)
    elif not had:
        study.enqueue_trial(usual)
    if len(had) >= trials:
        return
    bench = Bench(threads, halved=method in READS_TUNING)
    for number in range(len(had), trials):
        # of its own for every trial, so that what follows does not depend on where a search was stopped
        study.sampler = optuna.samplers.TPESampler(seed=zlib.crc32(f"{method} {number}".encode()), n_startup_trials=5)
        trial = study.ask(space)
        told = {"settings": dict(trial.params), **bench.score(method, trial.params)}
        study.tell(trial, told["objective"])
        found["trials"].append(told)
        found["space"] = SPACES[method]
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(".part")
        part.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        part.replace(place)
        shown = {k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in trial.params.items()}
        print(f"{method} {number}: {told['objective']:.3f} d {told.get('d', 9):.3f} {shown}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=list(SPACES))
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    threads = max(1, (os.cpu_count() or 1) // given.jobs)
    with multiprocessing.get_context("spawn").Pool(given.jobs, maxtasksperchild=1) as pool:
        asked = [pool.apply_async(search, (method, given.trials, threads)) for method in given.methods]
        for result in asked:
            result.get()


if __name__ == "__main__":
    main()
