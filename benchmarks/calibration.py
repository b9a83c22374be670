"""Trains the models on which the verdict is calibrated, and keeps what they answer.

    python benchmarks/calibration.py [--jobs 2]

Seed 300 has 36 originals and 64 models retrained without its 100 people; 32 more seeds, each with its own split and
its own people, have an original and two retrained models. The first 8 of either kind were in sight when margins and
floors were set; the others make 60 disjoint pairs of retrained models, and 60 originals with two references each. What
each answers goes to benchmarks/results/calibration/answers, as answers.py has it: `SEED-KIND-NUMBER.npz`, and
`SEED.npz` with who is on the pictures. What is there is not made again; a model that was being trained when it stopped
goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from answers import compact, file_of, people
from expunge.app.desk import Silent
from expunge.audits.observe import observe
from expunge.bench.models import trained
from expunge.bench.protocol import read_protocol
from expunge.bench.raw import write_arrays
from expunge.bench.tasks import BenchTask, bench_task
from expunge.engine.settings import EngineSettings, decide
from expunge.models.artefact import ModelArtefact
from harness import spread

ROOT = Path(__file__).parent
FACES = Path(os.environ.get("EXPUNGE_FACES", ROOT.parents[0] / "../shared/faces"))
CACHE = ROOT.parent / "runs" / "cache"
PROTOCOL = str(ROOT / "calibration.yaml")
FIRST, ORIGINALS, REFERENCES, OTHERS = 300, 36, 64, 32
SEEN = 8  # models of seed 300, of either kind, that were looked at before floors and margins were set

Asked = tuple[int, str, int]  # seed, kind, number


def asked_models() -> Iterator[Asked]:
    """All models, those that others are held against first."""
    yield from ((FIRST, "original", number) for number in range(ORIGINALS))
    yield from ((FIRST, "reference", number) for number in range(REFERENCES))
    for seed in range(FIRST + 1, FIRST + 1 + OTHERS):
        yield from ((seed, "reference", number) for number in range(2))
        yield seed, "original", 0


def task_of(seed: int) -> BenchTask:
    protocol = read_protocol(PROTOCOL)
    return bench_task(protocol, protocol.sizes["cpu"], seed, path=FACES / protocol.data.file, cache=CACHE)


def model_of(bench: BenchTask, kind: str, number: int) -> ModelArtefact:
    """One model: from the cache, or trained."""
    original = kind == "original"
    made = trained(
        bench.size.arch,
        bench.trained if original else bench.task.retain,
        bench.recipe(bench.original_seed + 500 + number if original else bench.reference_seed(number)),
        side=bench.size.side,
        settings=decide(EngineSettings(seed=bench.seed, threads=1)),
        cache=CACHE,
        desk=Silent(),
    )
    return made.artefact


def make(asked: Asked) -> str:
    """Train one model, unless its answers are there."""
    seed, kind, number = asked
    if not (file := file_of(seed, kind, number)).exists():
        bench = task_of(seed)
        seen = observe(model_of(bench, kind, number).classifier, bench.task)
        if not file_of(seed).exists():
            write_arrays(file_of(seed), people(seen))
        # divergence looks at whole answers; only its floor is measured here
        whole = (seed, kind) == (FIRST, "reference") and number < SEEN
        write_arrays(file, compact(seen) | ({"forget": seen["forget"].logits.astype(np.float16)} if whole else {}))
    return file.stem


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    for name in spread(make, list(asked_models()), given.jobs):
        print(name, flush=True)


if __name__ == "__main__":
    main()
