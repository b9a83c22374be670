"""Does `dlfd` ever ruin a model? Thirty settings of network, pictures and request, drawn at random.

    python benchmarks/collapse.py [--jobs 2]

Each is trained for 20 epochs, once on everybody and twice without the forget set. What is held against a limit is the
one-sided 95 % bound, over people drawn (else pictures), of the reporting accuracy that `dlfd` loses against the first
retrained model. It may be beyond .03 in two of thirty without a warning, of those that whoever erases gets to hear,
from tuning pictures and the original alone. The second retrained model is held against the first in the same way:
what it loses is chance, and tells how often so few pictures alone put the bound beyond the limit. Beside that stands
what each model shows of the retain and the forget set and to an attack, which tells whether as much was forgotten at
every share. Seeds are those of no table. Rows go to benchmarks/results/collapse.json as they come; what is there
under the same settings is not measured again, and a training that was stopped goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from expunge.app.desk import Silent
from expunge.app.line import Erasure, unlearn, watch
from expunge.app.measure import plain
from expunge.app.references import Retraining
from expunge.app.skill import skill, skill_warning
from expunge.audits.observe import Observation
from expunge.audits.resampling import Weights, resampling
from expunge.audits.statistics import ATTACKED, Key, estimates
from expunge.bench.models import trained
from expunge.bench.protocol import Forget, read_protocol
from expunge.bench.tasks import BenchTask, bench_task
from expunge.engine.events import Events
from expunge.engine.settings import EngineSettings, decide
from expunge.errors import ExpungeError
from expunge.methods.registry import resolve_method
from expunge.models.artefact import ModelArtefact
from expunge.types import PictureSet
from harness import RESULTS, spread

ROOT = Path(__file__).parent
FACES = Path(os.environ.get("EXPUNGE_FACES", ROOT.parents[0] / "../shared/faces"))
CACHE, RESULT = ROOT.parent / "runs" / "cache", RESULTS / "collapse.json"
METHOD, AGAIN = "dlfd", "retrained again"
COUNT, FIRST_SEED, EPOCHS, DRAWS = 30, 400, 20, 1000
PROTOCOLS = ("mufac-age", "ferplus-emotion", "lfw-people")
DEPTHS, WIDTHS, SHARES = ("resnet10", "resnet18", "resnet34"), ("half", "quarter"), (0.01, 0.3)
LIMIT, MOST = 0.03, 2
FORM = 3  # of a row: raised where it holds more, or the method does something else under the same settings
OTHERS = {
    "accuracy_retain": Key("accuracy", "retain"),
    "accuracy_forget": Key("accuracy", "forget"),
    "mia_auroc": Key("mia_auroc", ATTACKED),
}
Array = np.ndarray[Any, np.dtype[Any]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Configuration:
    """What is drawn: pictures, network, share of the training pictures that is forgotten; and a seed for each."""

    protocol: str
    arch: str
    share: float
    seed: int


def configurations() -> list[Configuration]:
    """All thirty; the first ones stay what they are if more are drawn."""
    drawn = np.random.default_rng(0)
    return [
        Configuration(
            protocol=str(drawn.choice(PROTOCOLS)),
            arch=f"{drawn.choice(DEPTHS)}-{drawn.choice(WIDTHS)}",
            share=round(float(drawn.uniform(*SHARES)), 3),
            seed=FIRST_SEED + number,
        )
        for number in range(COUNT)
    ]


def task_of(asked: Configuration) -> BenchTask:
    """The pictures of a protocol with another request and another network; whole people where they are known."""
    protocol = read_protocol(asked.protocol)
    size = protocol.sizes["cpu"].model_copy(update={"arch": asked.arch, "epochs": EPOCHS})
    forget = Forget(kind="people" if protocol.data.subject else "pictures", share=asked.share)
    drawn = protocol.model_copy(update={"forget": forget})
    return bench_task(drawn, size, asked.seed, path=FACES / protocol.data.file, cache=CACHE)


def measured(asked: Configuration) -> Row:
    """One row; a method that refuses is one of the outcomes."""
    bench, settings = task_of(asked), decide(EngineSettings(seed=asked.seed, threads=1))
    original = model_of(bench, bench.trained, bench.original_seed, settings)
    retrained = [model_of(bench, bench.task.retain, bench.reference_seed(number), settings) for number in range(2)]
    told = {**asdict(asked), "forget": len(bench.task.forget), "retain": len(bench.task.retain)}
    desk = Silent()
    try:
        after = unlearned(bench, original, settings, desk)
    except ExpungeError as error:
        return {**told, "failed": str(error)}
    first, second = (watch(model.classifier, bench.task, settings) for model in retrained)
    before = watch(original.classifier, bench.task, settings)
    skilled = skill(before["tuning"], after["tuning"], bench.task.retain, seed=settings.seed)
    if skilled is not None and (warning := skill_warning(skilled, METHOD)):
        desk.warn(warning)
    weights = resampling(first, draws=DRAWS, seed=asked.seed)
    names = ("original", "retrained", AGAIN, METHOD)
    seen = dict(zip(names, (before, first, second, after), strict=True))
    drawn = {name: values(one, weights) for name, one in seen.items()}
    told["accuracy"] = {name: float(one["accuracy"][0]) for name, one in drawn.items()}
    loss = {name: lost(drawn["retrained"]["accuracy"] - drawn[name]["accuracy"]) for name in (AGAIN, METHOD)}
    told |= {key: {name: float(one[key][0]) for name, one in drawn.items()} for key in OTHERS}
    return {**told, "warnings": desk.warnings, "loss": loss}


def model_of(bench: BenchTask, pictures: PictureSet, seed: int, settings: EngineSettings) -> ModelArtefact:
    size = bench.size
    made = trained(
        size.arch, pictures, bench.recipe(seed), side=size.side, settings=settings, cache=CACHE, desk=Silent()
    )
    return made.artefact


def unlearned(bench: BenchTask, original: ModelArtefact, settings: EngineSettings, desk: Silent) -> Observation:
    """What the model answers after the method with its defaults."""
    method, config = resolve_method(METHOD, {})
    retraining = Retraining(original, bench.task.retain, original.recipe, None, settings)
    erasure = Erasure(bench.resolution, original, method, config, retraining, (), 0, settings, "")
    return watch(unlearn(erasure, None, Events(None), desk)[0], bench.task, settings)


def values(seen: Observation, weights: Weights) -> dict[str, Array]:
    """What d_all looks at, with its draws, float64 [1 + draws]; `accuracy` is that on reporting pictures."""
    found = estimates(seen, weights)
    keys = {"accuracy": Key("accuracy", "reporting"), **OTHERS}
    return {name: one for name, key in keys.items() if (one := found[key].values) is not None}


def lost(loss: Array) -> Row:
    """A loss and both of its one-sided 95 % bounds."""
    low, high = np.nanpercentile(loss[1:], [5, 95])
    return {"value": float(loss[0]), "low": float(low), "high": float(high)}


def collapsed(row: Row) -> bool:
    """Whether more than the limit may be lost and nobody was warned; a method that failed did warn."""
    return "failed" not in row and row["loss"][METHOD]["high"] > LIMIT and not row["warnings"]


def conditions() -> Row:
    """What decides a row beside its configuration: rows of others are not kept."""
    return {"form": FORM, "epochs": EPOCHS, "draws": DRAWS, "settings": plain(asdict(resolve_method(METHOD, {})[1]))}


def kept() -> dict[Configuration, Row]:
    """Rows of an earlier run under the same conditions, but for those that failed."""
    found = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    rows = found.get("outcomes", ()) if found.get("conditions") == conditions() else ()
    names = [field.name for field in fields(Configuration)]
    return {Configuration(*(row[name] for name in names)): row for row in rows if "failed" not in row}


def write(rows: list[Row]) -> None:
    """All rows so far; the count once all are there."""
    name = f"settings of {COUNT} in which {METHOD} may lose more than {LIMIT:g} of reporting accuracy, unwarned"
    value = sum(map(collapsed, rows))
    result = {"name": name, "value": value, "threshold": MOST, "holds": value <= MOST}
    head = {"conditions": conditions(), "results": [result] if len(rows) == COUNT else []}
    lines = ",\n".join(json.dumps(row) for row in rows)
    part = RESULT.with_suffix(".part")
    part.write_text(f'{json.dumps(head, indent=1)[:-2]},\n "outcomes": [\n{lines}\n]\n}}\n')
    part.replace(RESULT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    wanted, found = configurations(), kept()
    for asked, row in spread(answered, [asked for asked in wanted if asked not in found], given.jobs):
        found[asked] = row
        write([found[one] for one in wanted if one in found])
        print(json.dumps(row), flush=True)
    if sum(map(collapsed, found.values())) > MOST:
        sys.exit(1)


def answered(asked: Configuration) -> tuple[Configuration, Row]:
    return asked, measured(asked)


if __name__ == "__main__":
    main()
