"""Which methods pass the weak attacks and fail the strong ones: every method of the main bench under all of them.

    python benchmarks/strong.py unlearn [--jobs 2]
    python benchmarks/strong.py shadows [--jobs 2]
    python benchmarks/strong.py table

Everything happens on seed 300 of calibration.yaml: quarter width, 20 epochs, 100 people to be forgotten. `unlearn` has
each method forget in originals that calibration.py trained. Four results are attacked, beside eight models retrained
without these people: with all attacks on single models there and then, and with LiRA and RMIA by `shadows`, 32 models
on random halves. Of the nine methods, but not of their presets, 32 more results are held against 32 retrained models,
beside 32 other retrained ones: KLoM and epsilon. With these as its shadows U-LiRA attacks the four of four methods.
The row `retrained` is four more retrained models: it must pass.

Parts lie in runs/strong until all of a method are there; statistics go to benchmarks/results/strong. What is there is
not made again. `table` writes strong.json from what is there.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import norm

from answers import PLACE, compact, keep, observation, read, who
from calibration import FIRST, REFERENCES, ROOT, model_of, task_of
from expunge.app.desk import Silent
from expunge.app.measure import plain
from expunge.app.references import Retraining
from expunge.app.shadows import Unlearned, shadow_statistics, shadow_training
from expunge.audits.attackcards import ATTACKS
from expunge.audits.halves import joined
from expunge.audits.observe import Observation, observe
from expunge.audits.population import LOSS, attack_scores, ranked
from expunge.audits.resampling import resampling
from expunge.audits.run import audit
from expunge.audits.shadowattacks import ShadowStudy, membership, method_rows, shadow_rows
from expunge.audits.shadows import ShadowPlan, Shadows
from expunge.audits.statistics import ATTACKED, EVEN, RELATIVE, Estimate, Key, relative
from expunge.bench.protocol import read_protocol
from expunge.bench.tasks import BenchTask
from expunge.engine.jobs import Workers
from expunge.engine.settings import EngineSettings, decide
from expunge.errors import ExpungeError
from expunge.evidence.margins import LEAST, MARGINS
from expunge.evidence.verdict import judge
from expunge.functional.attacks.lira import u_lira_ratio
from expunge.functional.seeding import derive_seed
from expunge.functional.significance import holm
from expunge.functional.stats import mean_of, weighted_auroc
from expunge.methods.registry import resolve_method
from expunge.models.artefact import ModelArtefact
from expunge.types import Split, SteeringTask
from harness import RESULTS

STRONG, PARTS = RESULTS / "strong", ROOT.parent / "runs" / "strong"
METHODS = tuple(entry.name for entry in read_protocol("mufac-age").methods)
RATIO = ("dlfd", "finetune", "neggrad-plus", "scrub")  # of these U-LiRA
PLAIN = (*RATIO, *(name for name in METHODS if name not in RATIO and ":" not in name))  # of these KLoM and epsilon
AUDITED, MODELS, BESIDE, SHADOWS = 4, 32, 8, 32
REFERRED = 3  # references of a verdict
RETRAINED = "retrained"
DRAWS = 200
SINGLE = (LOSS, *ATTACKS)
WATCHED: tuple[Split, ...] = ("forget", "tuning", "reporting")
STRONGER = ("lira", "lira_offline", "rmia")
RELATED = Key(RELATIVE, "forget-vs-retain")
MARGIN = {margin.name: margin.margin for margin in MARGINS}
KEPT = [margin for margin in MARGINS if margin.name != "js_divergence"]
LEVEL, WIDE, NARROW = 0.05, float(norm.ppf(0.975)), float(norm.ppf(0.95))
Array = np.ndarray[Any, np.dtype[Any]]
Asked = tuple[str, int]  # method, or kind of a trained model; number


def asked_parts() -> Iterator[Asked]:
    """What is attacked first, then what is only held against it."""
    yield from (("original", number) for number in range(AUDITED))
    yield from ((method, number) for number in range(AUDITED) for method in METHODS)
    yield from ((method, number) for method in PLAIN for number in range(AUDITED, AUDITED + MODELS))
    yield from (("reference", number) for number in range(BESIDE + AUDITED))


@functools.cache
def bench_of() -> BenchTask:
    return task_of(FIRST)


def make(asked: Asked) -> str:
    """One model: unlearned, or as it was trained; attacked, and its answers kept."""
    kind, number = asked
    file, task = part_of(kind, number), bench_of().task
    if file.exists() or gathered(kind, number):
        return f"{kind} {number}: there"
    trained = kind in ("original", "reference")
    try:
        artefact = model_of(bench_of(), kind if trained else "original", number)
        model = artefact.classifier if trained else unlearned(artefact, kind, number)
    except ExpungeError as error:
        return f"{kind} {number}: {error}"
    if number < AUDITED or kind == "reference":
        seen = observe(model, task, features=True)
        keep(file, **compact(seen), attacks=attacked(seen))
    else:
        keep(file, **compact(observe(model, task), ("forget",)))
    return f"{kind} {number}"


def gathered(kind: str, number: int) -> bool:
    """Whether the statistics of this model are in the repository."""
    file = STRONG / file_of(kind)
    return file.exists() and (number < AUDITED or kind not in METHODS or "forget" in read(file))


def part_of(kind: str, number: int) -> Path:
    return PARTS / f"{Path(file_of(kind)).stem}-{number}.npz"


def retraining_of(artefact: ModelArtefact, number: int) -> Retraining:
    settings = decide(EngineSettings(seed=derive_seed(FIRST, "strong", number) % 2**31, threads=1))
    return Retraining(artefact, bench_of().task.retain, artefact.recipe, None, settings)


def unlearned(artefact: ModelArtefact, name: str, number: int) -> Any:
    """What a method makes of an original, at its defaults."""
    task, retraining = bench_of().task, retraining_of(artefact, number)
    work = Unlearned(retraining, *resolve_method(name))
    steering = SteeringTask(task.retain, task.forget, task.tuning)
    return work(copy.deepcopy(artefact.classifier), steering, retraining.settings.seed)


def attacked(seen: Observation) -> Array:
    """AUROC of every attack on single models, forget against reporting pictures: float32 [attacks, 1 + draws]."""
    weights, scores = resampling(seen, draws=DRAWS, seed=0), attack_scores(seen)
    rows = []
    for name in SINGLE:
        rows.append(in_every_draw(ranked(name, scores[name], weights)[Key(f"{name}_auroc", ATTACKED)]))
    return np.stack(rows).astype(np.float32)


def gather() -> None:
    """Statistics of every method of which all parts are there, as one file."""
    counts = {"original": AUDITED, "reference": BESIDE + AUDITED}
    for kind in ("original", "reference", *METHODS):
        files = [part_of(kind, number) for number in range(counts.get(kind, AUDITED + MODELS))]
        whole, forget = (files[:AUDITED], files[AUDITED:]) if kind in METHODS else (files, [])
        if not all(file.exists() for file in whole):
            continue
        parts = [read(file) for file in whole]
        arrays = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
        if forget and all(file.exists() for file in forget):
            arrays["forget"] = np.stack([read(file)["odds"] for file in forget])
        keep(STRONG / file_of(kind), **arrays)


def file_of(kind: str) -> str:
    return f"{kind.replace(':', '-')}.npz"


def shadows_made(jobs: int) -> None:
    """Models on random halves, and what they answer."""
    task = bench_of().task
    training = shadow_training(retraining_of(model_of(bench_of(), "original", 0), 0))
    population = joined([task.retain, task.forget, task.reporting])
    plan = ShadowPlan(population, joined([task.split(s) for s in WATCHED]), training, FIRST)
    workers = Workers("pool", count=jobs, threads=jobs)
    made = shadow_statistics(plan, SHADOWS, cache=PARTS / "shadows", workers=workers, desk=Silent())
    keep(STRONG / "shadows.npz", scaled=made.scaled.astype(np.float16), inside=np.packbits(made.inside, axis=1))


@dataclass(frozen=True)
class Yard:
    """What every row is held against.

    Args:
        references: answers of the retrained models. singles: what attacks on single models find there, [8, A, 1 + D].
        retrained: log odds of the forget pictures under all retrained models, [64, n].
        halves: shadows for LiRA and RMIA.
    """

    references: list[Observation]
    singles: Array
    retrained: Array
    halves: Shadows
    weights: Any

    @classmethod
    def read(cls) -> Yard:
        kept, subjects = read(STRONG / "reference.npz"), who(PLACE / f"{FIRST}.npz")
        references = answers_of(kept, subjects)
        names = [PLACE / f"{FIRST}-reference-{number}.npz" for number in range(REFERENCES)]
        every = [observation(read(name), subjects)["forget"].logits[:, 0] for name in names]
        made, ids = read(STRONG / "shadows.npz"), np.concatenate([references[0][s].ids for s in WATCHED])
        inside = np.unpackbits(made["inside"], axis=1, count=len(ids)).astype(bool)
        halves = Shadows(ids, made["scaled"].astype(np.float32), inside, np.zeros(len(inside)))
        weights = resampling(references[0], draws=DRAWS, seed=0)
        return cls(references[:BESIDE], kept["attacks"][:BESIDE], np.stack(every), halves, weights)

    @functools.cached_property
    def stronger(self) -> dict[str, Array]:
        """What attacks by shadow models find in the references, [8, 1 + D]."""
        found = [stronger(one, self) for one in self.references]
        return {name: np.stack([one[name] for one in found]) for name in found[0]}


def answers_of(kept: Mapping[str, Array], subjects: Mapping[str, Array]) -> list[Observation]:
    """Those models of a file of which all answers are kept."""
    return [
        observation({"odds": odds, "right": right}, subjects)
        for odds, right in zip(kept["odds"], kept["right"], strict=True)
    ]


@dataclass(frozen=True)
class Values:
    """What an attack finds in the models of a row, and in retrained ones: [models, 1 + draws] each."""

    ours: Array
    theirs: Array

    @property
    def gap(self) -> Array:
        return np.asarray(self.ours.mean(0) - self.theirs.mean(0))

    def error(self, luck: float) -> float:
        """Of the gap, over people and over trainings; `luck`: standard deviation between models made alike."""
        trained = luck**2 * (1 / len(self.ours) + 1 / len(self.theirs))
        return float(np.sqrt(self.gap[1:].var() + trained))


def found_in(kind: str, kept: Mapping[str, Array], seen: list[Observation], at: slice, yard: Yard) -> dict[str, Values]:
    """Every attack on single models, on the models of a file at `at`, whose answers are `seen`."""
    found = {f"{name}_auroc": Values(kept["attacks"][at][:, i], yard.singles[:, i]) for i, name in enumerate(SINGLE)}
    ours = [stronger(one, yard) for one in seen]
    for name, theirs in yard.stronger.items():
        found[name] = Values(np.stack([one[name] for one in ours]), theirs)
    left = np.stack([in_every_draw(relative(one, yard.references, yard.weights)[RELATED]) for one in seen])
    found[RELATED.name] = Values(left, np.full((BESIDE, left.shape[1]), EVEN))
    if kind in RATIO and "forget" in kept:
        apart = np.stack([told_apart(one, kept["forget"].astype(np.float32), yard) for one in seen])
        found["u_lira_auroc"] = Values(apart, np.full((BESIDE, apart.shape[1]), EVEN))
    return found


def stronger(seen: Observation, yard: Yard) -> dict[str, Array]:
    """AUROC of the attacks by models on random halves."""
    estimates = membership(seen, yard.halves, yard.weights)
    keys = [Key(f"{name}_auroc", ATTACKED) for name in STRONGER]
    return {key.name: in_every_draw(estimates[key]) for key in keys}


def in_every_draw(estimate: Estimate) -> Array:
    assert estimate.values is not None, estimate.why_not
    return estimate.values


def told_apart(seen: Observation, unlearned: Array, yard: Yard) -> Array:
    """U-LiRA: AUROC of its ratios, this model's against retrained ones' on the same pictures."""
    ours, drawn = ratios(seen, unlearned, yard), yard.weights["forget"]
    return mean_of([weighted_auroc(ours, ratios(r, unlearned, yard), drawn, drawn) for r in yard.references])


def ratios(one: Observation, unlearned: Array, yard: Yard) -> Array:
    """U-LiRA's, of every forget picture."""
    return u_lira_ratio(one["forget"].logits[:, 0], unlearned, yard.retrained[REFERENCES - MODELS :])


def ratio_luck(unlearned: Array, retrained: list[Observation], yard: Yard) -> float:
    """How far U-LiRA's AUROC varies between retrained models, each held against all others, as that inflates it."""
    scores = [ratios(one, unlearned, yard) for one in retrained]
    drawn, others = np.ones((1, len(scores[0]))), len(scores) - 1
    values = [
        sum(float(weighted_auroc(mine, other, drawn, drawn)[0]) for other in scores if other is not mine) / others
        for mine in scores
    ]
    return float(np.std(values, ddof=1)) * others / len(scores)


def of_method(kept: Mapping[str, Array], yard: Yard) -> dict[str, Any]:
    """KLoM and epsilon with 32 models a side, beside their floors."""
    forget, people = yard.references[0]["forget"], yard.weights
    unlearned, retrained = (shadows_of(odds, forget.ids) for odds in (kept["forget"], yard.retrained))
    told = {}
    for row in method_rows(unlearned, retrained, forget, people):
        told[row.name] = {
            "value": row.value,
            "interval": [row.low, row.high],
            "floor": row.reference,
            "gap": row.gap,
            "gap_interval": [row.gap_low, row.gap_high],
            "told": row.gap_low is not None and row.gap_high is not None and not row.gap_low <= 0 <= row.gap_high,
        }
    return told


def shadows_of(odds: Array, ids: Array) -> Shadows:
    return Shadows(ids, odds.astype(np.float32)[:, :, None], np.zeros(odds.shape, bool), np.zeros(len(odds)))


def verdicts(seen: list[Observation], before: list[Observation], yard: Yard) -> dict[str, int]:
    """What `expunge audit` would say of each model beside three references, with LiRA and RMIA.

    Nothing is relearned, and the divergence of answers is not judged: whole answers are not kept.
    """
    beside, study = yard.references[:REFERRED], ShadowStudy(halves=yard.halves)
    said = []
    for one, untouched in zip(seen, before, strict=True):
        report = audit(untouched, one, beside, draws=DRAWS)
        more = shadow_rows(study, untouched, one, beside, draws=DRAWS)
        references = [a + b for a, b in zip(report.rows_reference, more.references, strict=True)]
        rows = report.rows_after + more.after
        said.append(judge(rows, references, before=report.rows_before + more.before, margins=KEPT).overall)
    return dict(Counter(said))


def judged(found: Mapping[str, Values], luck: Mapping[str, float]) -> dict[str, Any]:
    """Gaps of a row with 95 % intervals; told apart: as the verdict has it, Holm over the attacks of the row."""
    gaps = {name: (float(v.gap[0]), v.error(luck[name])) for name, v in found.items()}
    p = holm([float(2 * norm.sf(abs(gap) / error)) for gap, error in gaps.values()])
    told = {}
    for (name, (gap, error)), adjusted in zip(gaps.items(), p, strict=True):
        margin = MARGIN.get(name, MARGIN["mia_auroc"])
        told[name] = {
            "value": round(float(found[name].ours[:, 0].mean()), 4),
            "gap": round(gap, 4),
            "interval": [round(gap - WIDE * error, 4), round(gap + WIDE * error, 4)],
            "told": adjusted <= LEVEL and abs(gap) >= LEAST * margin,
            "passed": abs(gap) + NARROW * error <= margin,
        }
    return told


def tabled() -> dict[str, Any]:
    """All rows of which there are statistics."""
    yard, subjects = Yard.read(), who(PLACE / f"{FIRST}.npz")
    before, rows, methods = answers_of(read(STRONG / "original.npz"), subjects), {}, {}
    for kind in ("original", *METHODS, RETRAINED):
        file = STRONG / file_of("reference" if kind == RETRAINED else kind)
        if file.exists():
            kept = read(file)
            at = slice(BESIDE, None) if kind == RETRAINED else slice(AUDITED)
            seen = answers_of({name: kept[name][at] for name in ("odds", "right")}, subjects)
            rows[kind] = found_in(kind, kept, seen, at, yard)
            methods[kind] = of_method(kept, yard) if "forget" in kept else {}
            methods[kind] |= {"verdicts": verdicts(seen, before, yard)}
            print(kind, flush=True)
    names = dict.fromkeys(name for found in rows.values() for name in found)
    luck = {n: float(np.sqrt(np.mean([f[n].ours[:, 0].var(ddof=1) for f in rows.values() if n in f]))) for n in names}
    retrained = {n: np.concatenate([v.ours[:, 0], v.theirs[:, 0]]) for n, v in rows[RETRAINED].items()}
    every = answers_of(read(STRONG / "reference.npz"), subjects)
    ratio = [ratio_luck(read(STRONG / file_of(m))["forget"].astype(np.float32), every, yard) for m in RATIO]
    varied = {n: float(v.std(ddof=1)) for n, v in retrained.items() if n != RELATED.name} | {"u_lira_auroc": max(ratio)}
    return {
        "models": {"audited": AUDITED, "beside": BESIDE, "shadows": len(yard.halves.scaled), "method": MODELS},
        "luck": {name: round(value, 4) for name, value in luck.items()},
        "retrained_luck": {name: round(value, 4) for name, value in varied.items()},
        "rows": {kind: {**judged(found, luck), **methods[kind]} for kind, found in rows.items()},
        "settings": {kind: plain(asdict(resolve_method(kind)[1])) for kind in METHODS if kind in rows},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["unlearn", "shadows", "table"])
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    if given.what == "shadows":
        shadows_made(given.jobs)
    if given.what == "unlearn":
        with multiprocessing.get_context("spawn").Pool(
            given.jobs, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            for told in pool.imap(make, list(asked_parts())):
                print(told, flush=True)
        gather()
    if given.what == "table":
        lines = json.dumps(tabled(), indent=1)
        (RESULTS / "strong.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
