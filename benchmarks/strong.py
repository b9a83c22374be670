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
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from answers import answers_of, compact, observation, read, who
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
from expunge.audits.shadowattacks import ShadowStudy, membership, method_rows, ratio_scores, shadow_rows, told_apart
from expunge.audits.shadows import ShadowPlan, Shadows
from expunge.audits.statistics import ATTACKED, EVEN, RELATIVE, Estimate, Key, relative
from expunge.bench.protocol import read_protocol
from expunge.bench.raw import slug, write_arrays
from expunge.bench.tasks import BenchTask
from expunge.engine.jobs import Workers
from expunge.engine.settings import EngineSettings, decide
from expunge.errors import ExpungeError
from expunge.evidence.margins import LEAST, MARGINS
from expunge.evidence.verdict import judge
from expunge.functional.seeding import derive_seed
from expunge.functional.significance import holm
from expunge.methods.registry import resolve_method
from expunge.models.artefact import ModelArtefact
from expunge.types import Split, SteeringTask
from harness import RESULTS, spread

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
        write_arrays(file, compact(seen) | {"attacks": attacked(seen)})
    else:
        write_arrays(file, compact(observe(model, task), ("forget",)))
    return f"{kind} {number}"


def gathered(kind: str, number: int) -> bool:
    """Whether the statistics of this model are in the repository."""
    file = gathered_in(kind)
    return file.exists() and (number < AUDITED or kind not in METHODS or "forget" in read(file))


def part_of(kind: str, number: int) -> Path:
    return PARTS / f"{slug(kind)}-{number}.npz"


def gathered_in(kind: str) -> Path:
    return STRONG / f"{slug(kind)}.npz"


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
    rows = [in_every_draw(ranked(name, scores[name], weights)[Key(f"{name}_auroc", ATTACKED)]) for name in SINGLE]
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
        write_arrays(gathered_in(kind), arrays)


def shadows_made(jobs: int) -> None:
    """Models on random halves, and what they answer."""
    task = bench_of().task
    training = shadow_training(retraining_of(model_of(bench_of(), "original", 0), 0))
    population = joined([task.retain, task.forget, task.reporting])
    plan = ShadowPlan(population, joined([task.split(s) for s in WATCHED]), training, FIRST)
    workers = Workers("pool", count=jobs, threads=jobs)
    made = shadow_statistics(plan, SHADOWS, cache=PARTS / "shadows", workers=workers, desk=Silent())
    arrays = {"scaled": made.scaled.astype(np.float16), "inside": np.packbits(made.inside, axis=1)}
    write_arrays(STRONG / "shadows.npz", arrays)


@dataclass(frozen=True)
class Yard:
    """What every row is held against.

    Args:
        references: answers of the retrained models. singles: what attacks on single models find there, [8, A, 1 + D].
        more: answers of the retrained models beside these.
        retrained: what all 64 retrained models answer to the forget pictures.
        halves: shadows for LiRA and RMIA.
    """

    references: list[Observation]
    singles: Array
    more: list[Observation]
    retrained: Shadows
    halves: Shadows
    weights: Any

    @classmethod
    def read(cls) -> Yard:
        kept = read(gathered_in("reference"))
        references = observations(kept)
        every = [answers_of(FIRST, "reference", i)["forget"].logits[:, 0] for i in range(REFERENCES)]
        made, ids = read(STRONG / "shadows.npz"), np.concatenate([references[0][s].ids for s in WATCHED])
        inside = np.unpackbits(made["inside"], axis=1, count=len(ids)).astype(bool)
        halves = Shadows(ids, made["scaled"].astype(np.float32), inside, np.zeros(len(inside)))
        weights = resampling(references[0], draws=DRAWS, seed=0)
        retrained = shadows_of(np.stack(every), references[0]["forget"].ids)
        return cls(references[:BESIDE], kept["attacks"][:BESIDE], references[BESIDE:], retrained, halves, weights)

    @functools.cached_property
    def stronger(self) -> dict[str, Array]:
        """What attacks by shadow models find in the references, [8, 1 + D]."""
        found = [stronger(one, self) for one in self.references]
        return {name: np.stack([one[name] for one in found]) for name in found[0]}


def observations(kept: Mapping[str, Array]) -> list[Observation]:
    """Those models of a file of which all answers are kept."""
    models = zip(kept["odds"], kept["right"], strict=True)
    return [observation({"odds": odds, "right": right}, who(FIRST)) for odds, right in models]


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


def found_in(seen: list[Observation], singles: Array, unlearned: Shadows | None, yard: Yard) -> dict[str, Values]:
    """Every attack on models that answered `seen`; of `singles` those on single models, [models, A, 1 + D]."""
    found = {f"{name}_auroc": Values(singles[:, i], yard.singles[:, i]) for i, name in enumerate(SINGLE)}
    ours = [stronger(one, yard) for one in seen]
    for name, theirs in yard.stronger.items():
        found[name] = Values(np.stack([one[name] for one in ours]), theirs)
    left = np.stack([in_every_draw(relative(one, yard.references, yard.weights)[RELATED]) for one in seen])
    found[RELATED.name] = Values(left, np.full((BESIDE, left.shape[1]), EVEN))
    if unlearned is not None:
        apart = np.stack([by_ratio(one, yard.references, unlearned, yard, yard.weights["forget"]) for one in seen])
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


def by_ratio(one: Observation, others: list[Observation], unlearned: Shadows, yard: Yard, weights: Array) -> Array:
    """U-LiRA: AUROC of its ratios, this model's against retrained ones' on the same pictures."""
    never = last(yard.retrained, MODELS)
    return told_apart(ratio_scores(one["forget"], [other["forget"] for other in others], unlearned, never), weights)


def ratio_luck(unlearned: Shadows, yard: Yard) -> float:
    """How far U-LiRA's AUROC varies between retrained models, each held against all others, as that inflates it."""
    models, drawn = [*yard.references, *yard.more], np.ones((1, len(unlearned.ids)))
    values = [
        float(by_ratio(one, [other for other in models if other is not one], unlearned, yard, drawn)[0])
        for one in models
    ]
    return float(np.std(values, ddof=1)) * (len(models) - 1) / len(models)


def last(shadows: Shadows, count: int) -> Shadows:
    return shadows_of(shadows.scaled[-count:, :, 0], shadows.ids)


def of_method(unlearned: Shadows, yard: Yard) -> dict[str, Any]:
    """KLoM and epsilon with 32 models a side, beside their floors."""
    told = {}
    for row in method_rows(unlearned, yard.retrained, yard.references[0]["forget"], yard.weights):
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
    yard, before = Yard.read(), observations(read(gathered_in("original")))
    rows, methods, ratio = {}, {}, []
    for kind in ("original", *METHODS, RETRAINED):
        file = gathered_in("reference" if kind == RETRAINED else kind)
        if file.exists():
            kept = read(file)
            seen = yard.more if kind == RETRAINED else observations(kept)
            unlearned = shadows_of(kept["forget"], yard.retrained.ids) if "forget" in kept else None
            by = unlearned if kind in RATIO else None
            rows[kind] = found_in(seen, kept["attacks"][-AUDITED:], by, yard)
            methods[kind] = {} if unlearned is None else of_method(unlearned, yard)
            methods[kind] |= {"verdicts": verdicts(seen, before, yard)}
            ratio += [] if by is None else [ratio_luck(by, yard)]
            print(kind, flush=True)
    names = dict.fromkeys(name for found in rows.values() for name in found)
    luck = {n: float(np.sqrt(np.mean([f[n].ours[:, 0].var(ddof=1) for f in rows.values() if n in f]))) for n in names}
    retrained = {n: np.concatenate([v.ours[:, 0], v.theirs[:, 0]]) for n, v in rows[RETRAINED].items()}
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
        for told in spread(make, list(asked_parts()), given.jobs):
            print(told, flush=True)
        gather()
    if given.what == "table":
        lines = json.dumps(tabled(), indent=1)
        (RESULTS / "strong.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
