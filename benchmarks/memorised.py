"""Scores how much models memorise each person of MUFAC: the list by which mufac-age-hard chooses whom to forget.

    python benchmarks/memorised.py [--models 16] [--jobs 2]

Quarter-width models are trained on random halves of all people. A person's score is the mean over their pictures of
the loss (nats) under models that were not trained on them, minus that under models that were. No table uses any of
these models. What each answers is kept under runs/memorised: models that are there are not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from expunge.app.desk import ProgressReport, Silent
from expunge.app.references import Retraining
from expunge.app.shadows import shadow_statistics, shadow_training
from expunge.audits.halves import joined
from expunge.audits.shadows import ShadowPlan, Shadows
from expunge.bench.protocol import FOLDER, Memorised, Size, read_protocol
from expunge.bench.tasks import BenchTask, bench_task
from expunge.engine.jobs import Workers
from expunge.engine.settings import EngineSettings, decide
from expunge.models.classifier import Preprocessing
from expunge.models.load import new_model

ROOT = Path(__file__).parent
FACES = Path(os.environ.get("EXPUNGE_FACES", ROOT.parents[0] / "../shared/faces"))
CACHE, ANSWERS = ROOT.parent / "runs" / "cache", ROOT.parent / "runs" / "memorised"
PROTOCOL, SEED = "mufac-age-hard", 500
SIZE = Size(side=64, arch="resnet18-quarter", epochs=20)


class Printed(Silent):
    """A desk that prints how far the models are."""

    def progress(self, report: ProgressReport) -> None:
        print(f"{report.step} of {report.steps} models, {report.seconds_left:.0f} s left", flush=True)

    def say(self, text: str) -> None:
        print(text, flush=True)

    def warn(self, text: str) -> None:
        print(text, flush=True)


def plan_of(bench: BenchTask) -> ShadowPlan:
    """Models trained on random halves of all people, whatever their split, and asked about every picture."""
    task = bench.task
    everybody = joined([task.retain, task.forget, task.tuning, task.reporting])
    artefact = new_model(bench.size.arch, everybody.spec, Preprocessing((bench.size.side,) * 2), seed=SEED)
    settings = decide(EngineSettings(threads=1))
    training = shadow_training(Retraining(artefact, everybody, bench.recipe(SEED), None, settings))
    return ShadowPlan(everybody, everybody, training, seed=SEED)


def scores(shadows: Shadows, people: np.ndarray[Any, np.dtype[Any]]) -> dict[str, float]:
    """By person: mean over their pictures of the loss under models not trained on them, minus that under the others.

    Args:
        shadows: an even number of them. people: whose each picture is.
    """
    unseen, seen = (np.ma.array(shadows.loss, mask=hidden) for hidden in (shadows.inside, ~shadows.inside))
    gap = unseen.mean(axis=0) - seen.mean(axis=0)
    return {str(name): round(float(gap[people == name].mean()), 4) for name in np.unique(people)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=16, help="an even number")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    if given.models < 2 or given.models % 2:
        parser.error("--models: expected an even number, so that everybody is in half of the models")
    protocol = read_protocol(PROTOCOL)
    assert isinstance(protocol.forget, Memorised)
    bench = bench_task(read_protocol("mufac-age"), SIZE, 0, path=FACES / protocol.data.file, cache=CACHE)
    plan = plan_of(bench)
    workers = Workers("pool", count=given.jobs, threads=given.jobs)
    shadows = shadow_statistics(plan, given.models, cache=ANSWERS, workers=workers, desk=Printed())
    assert plan.watched.subjects is not None
    found = scores(shadows, plan.watched.subjects)
    place = FOLDER / protocol.forget.scores
    place.write_text(json.dumps(found, indent=0) + "\n")
    print(f"written: {place}")


if __name__ == "__main__":
    main()
