"""What shadow models cost beyond their trainings, how fast their statistics are, and how much room these take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit

from expunge.app.desk import Silent
from expunge.app.references import Retraining, retrained
from expunge.app.shadows import shadow_statistics, shadow_training
from expunge.audits.halves import half
from expunge.audits.shadowcache import Shadow, ShadowCache
from expunge.audits.shadows import ShadowPlan, Shadows, Training, collect, scaled_confidences
from expunge.engine.jobs import Kind, Workers
from expunge.engine.settings import EngineSettings, decide
from expunge.functional.attacks.lira import lira_offline, lira_online
from expunge.functional.attacks.rmia import Population, rmia_offline, tuned_a
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.load import new_model
from expunge.types import PictureSet, TrainRecipe
from harness import Comparison, compare, seconds, write
from speed import SIDE, SPEC, pictures

# as many epochs as the protocols have, since a look at all pictures is part of the price
EPOCHS = 40
MANY, EXAMPLES = 128, 50_000
POPULATION = 1000  # of RMIA
MOST_BYTES, MOST_SECONDS = 100_000_000, 10.0


def cost(kind: Kind, shadows: int, count: int, rounds: int) -> Comparison:
    """N shadows, from the call to the statistics, against N single trainings of the same size one after the other.

    Workers take some seconds to start, which is little beside the trainings of the standard tier: as many `shadows`,
    each trained on half of `count` pictures.
    """
    settings, given = decide(EngineSettings()), pictures(count, 0)
    artefact = new_model("resnet18-half", SPEC, Preprocessing((SIDE, SIDE)), seed=0)
    retraining = Retraining(artefact, given, TrainRecipe(epochs=EPOCHS), None, settings)
    plan = ShadowPlan(given, given, shadow_training(retraining))
    single = Retraining(
        artefact, given.subset(torch.from_numpy(half(given, 0, seed=0))), retraining.recipe, None, settings
    )

    def ours() -> None:
        with tempfile.TemporaryDirectory() as place:
            workers = Workers(kind, threads=settings.threads)
            shadow_statistics(plan, shadows, cache=Path(place), workers=workers, desk=Silent())

    def theirs() -> None:
        for seed in range(shadows):
            retrained(single, seed)

    return compare(
        f"{shadows} shadows, {kind}, against as many single trainings",
        ours,
        theirs,
        rounds=rounds,
        threshold=round(1 / 1.05, 3),
        note=f"half-width ResNet-18 at 64x64, {EPOCHS} epochs of half of {count} pictures, all of them watched",
        warmup=False,
    )


def statistics_pass() -> Comparison:
    """The pass that makes the statistics, against plain inference on the same pictures."""
    given = pictures(1024, 0)
    model = new_model("resnet18-half", SPEC, Preprocessing((SIDE, SIDE)), seed=0).classifier.eval()
    return compare(
        "the statistics pass against plain inference",
        lambda: scaled_confidences(model, given),
        lambda: plain_inference(model, given),
        rounds=15,
        threshold=0.9,
        note="1,024 pictures, half-width ResNet-18 at 64x64, float32, 256 at a time",
    )


def plain_inference(model: PixelClassifier, given: PictureSet) -> torch.Tensor:
    with torch.no_grad():
        parts = torch.split(torch.arange(len(given)), 256)
        return torch.cat([model(given.pixels(at).float().div_(255)) for at in parts])


def room() -> list[dict[str, object]]:
    """Many shadows of many pictures: bytes on disk, seconds to read them and to score every picture."""
    drawn = np.random.default_rng(0)
    given = pictures(2, 0)
    given = given.subset(torch.zeros(EXAMPLES, dtype=torch.int64))
    plan = ShadowPlan(given, given, Training(nobody, {}))
    with tempfile.TemporaryDirectory() as place:
        cache = ShadowCache(Path(place))
        for index in range(MANY):
            scaled = drawn.normal(size=(EXAMPLES, 1)).astype(np.float32)
            cache.write(plan.ingredients(index), Shadow(scaled, drawn.random(EXAMPLES) < 0.5, EXAMPLES // 2, 1.0))
        used = sum(path.stat().st_size for path in Path(place).iterdir())
        start = time.perf_counter()
        shadows = collect(plan, MANY, cache)
        read = time.perf_counter() - start
    scored = {name: seconds(score) for name, score in attacks(shadows, drawn).items()}
    name = f"{MANY} shadows x {EXAMPLES:,} pictures"
    rows: list[dict[str, object]] = [
        {"name": f"{name}: bytes on disk", "value": used, "threshold": MOST_BYTES, "holds": used <= MOST_BYTES},
        {
            "name": f"{name}: seconds to read and score",
            "value": {"read": round(read, 2)} | {name: round(took, 2) for name, took in scored.items()},
            "threshold": MOST_SECONDS,
            "holds": read + sum(scored.values()) <= MOST_SECONDS,
        },
    ]
    for row in rows:
        print(
            f"{'ok  ' if row['holds'] else 'FAIL'} {row['name']}: {row['value']}, at most {row['threshold']}",
            flush=True,
        )
    return rows


def attacks(shadows: Shadows, drawn: np.random.Generator) -> dict[str, Callable[[], object]]:
    """What scores every picture: both forms of LiRA, and RMIA with the search for its a."""
    target, known, inside = drawn.normal(size=EXAMPLES), shadows.scaled_confidence, shadows.inside
    others = drawn.normal(size=(len(known), POPULATION))

    def rmia() -> None:
        answers, answers_z = expit(known), expit(others)
        paired = Population(answers_z[0], answers_z[1:])
        a = tuned_a(answers[0], inside[0], answers[1:], inside[1:], paired)
        rmia_offline(expit(target), answers, inside, Population(answers_z[0], answers_z), a=a)

    return {
        "LiRA": lambda: lira_online(target, known, inside),
        "LiRA, offline": lambda: lira_offline(target, known, inside),
        "RMIA": rmia,
    }


def nobody(_subset: PictureSet, _seed: int) -> torch.nn.Module:
    raise AssertionError("everything is in the cache")


def main() -> None:
    costs = [cost("in-process", 4, 384, 2), cost("pool", 4, 1152, 2), cost("pool", 16, 1152, 2)]
    rows = [*room(), statistics_pass().row(), *(one.row() for one in costs)]
    write(__file__, rows)


if __name__ == "__main__":
    main()
