"""Trains the models on which the verdict is calibrated, and keeps what they answer.

    python benchmarks/calibration.py [--jobs 2]

Seed 300 has 32 originals and 32 models retrained without its 100 people; 48 more seeds, each with its own split and
its own people, have two retrained models, the first 36 of them an original as well. The first 8 of either kind were in
sight when margins and floors were set; the others are 60 disjoint pairs of retrained models and 60 originals. What each
answers to each picture goes to runs/calibration: `SEED-KIND-NUMBER.npz` with logits of the four sets in half precision,
`SEED.npz` with ids, labels and subjects. What is there is not made again; a model that was being trained when it
stopped goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from expunge.app.desk import Silent
from expunge.bench.models import trained
from expunge.bench.protocol import read_protocol
from expunge.bench.tasks import BenchTask, bench_task
from expunge.engine.settings import EngineSettings, decide
from expunge.models.predict import predict
from expunge.types import SPLITS

ROOT = Path(__file__).parent
FACES = Path(os.environ.get("EXPUNGE_FACES", ROOT.parents[0] / "../shared/faces"))
CACHE, ANSWERS = ROOT.parent / "runs" / "cache", ROOT.parent / "runs" / "calibration"
PROTOCOL = str(ROOT / "calibration.yaml")
FIRST, MANY, OTHERS, ORIGINALS = 300, 32, 48, 36

Asked = tuple[int, str, int]  # seed, kind, number


def asked_models() -> Iterator[Asked]:
    """All models, those of one pair near each other."""
    for number in range(MANY):
        yield FIRST, "original", number
        yield FIRST, "reference", number
    for other in range(OTHERS):
        seed = FIRST + 1 + other
        yield from ((seed, "reference", number) for number in range(2))
        if other < ORIGINALS:
            yield seed, "original", 0


def task_of(seed: int) -> BenchTask:
    protocol = read_protocol(PROTOCOL)
    return bench_task(protocol, protocol.sizes["cpu"], seed, path=FACES / protocol.data.file, cache=CACHE)


def make(asked: Asked) -> str:
    """Train one model, unless its answers are there."""
    seed, kind, number = asked
    name = f"{seed}-{kind}-{number}"
    if not (ANSWERS / f"{name}.npz").exists():
        bench = task_of(seed)
        if not (ANSWERS / f"{seed}.npz").exists():
            keep(str(seed), described(bench))
        original = kind == "original"
        pictures = bench.trained if original else bench.task.retain
        recipe = bench.recipe(bench.original_seed + 500 + number if original else bench.reference_seed(number))
        size, settings = bench.size, decide(EngineSettings(seed=seed, threads=1))
        model = trained(
            size.arch, pictures, recipe, side=size.side, settings=settings, cache=CACHE, desk=Silent()
        ).artefact.classifier
        keep(
            name, {f"logits_{s}": predict(model, bench.task.split(s)).logits.numpy().astype(np.float16) for s in SPLITS}
        )
    return name


def described(bench: BenchTask) -> dict[str, Any]:
    sets = {name: bench.task.split(name) for name in SPLITS}
    return {
        f"{what}_{name}": value
        for name, given in sets.items()
        for what, value in (("ids", given.ids), ("labels", given.labels.numpy()), ("subjects", given.subjects))
    }


def keep(name: str, arrays: dict[str, Any]) -> None:
    ANSWERS.mkdir(parents=True, exist_ok=True)
    part = ANSWERS / f"{name}.{os.getpid()}.part.npz"
    np.savez_compressed(part, **arrays)
    part.replace(ANSWERS / f"{name}.npz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(
        given.jobs, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for name in pool.imap(make, list(asked_models())):
            print(name, flush=True)


if __name__ == "__main__":
    main()
