"""Judges disjoint pairs of retrained models, and untouched originals, from what calibration.py kept of their answers.

    python benchmarks/verdict_calibration.py [--floors]

A retrained model, audited beside another one, must never be called distinguishable; an untouched original must be, at
100 people. The same beside two references each, as far as there are models. A request for 5 or 25 people is the same
with fewer of the erased people looked at. All goes the way of `expunge audit`: rows, then verdict; but no untouched
model is handed in beside the audited one, so that passing is not held against what the audits show of that. Raw
outcomes and counts go to benchmarks/results/calibration/verdict.json; whatever models are there are judged, and what
was judged before is kept.

The verdict's floors come from `--floors`, which looks at the first models retrained for seed 300 only; its margins
were set with these and the originals beside them in sight. What holds one of those is counted apart, and so are other
models of that seed: they never were in sight, but their request was. Divergence between answers takes two references,
and so its floor is of triples; no outcome rests on it, since of most models whole answers are not kept. A true
positive rate at 1 % takes 1,000 pictures of people whom no model saw: seed 300 has fewer for reporting, so for its
floor those for tuning are added; it is judged in the seeds that have as many.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Any

import numpy as np
import torch

from answers import answers_of, file_of, read, who
from calibration import FIRST, ORIGINALS, OTHERS, REFERENCES, SEEN
from expunge.audits.observe import Observation
from expunge.audits.resampling import resampling
from expunge.audits.run import audit
from expunge.audits.statistics import Key, divergences
from expunge.evidence.margins import MARGINS
from expunge.evidence.verdict import Verdict, judge
from expunge.functional.equivalence import FLOOR_FREEDOM
from expunge.types import LabelSpec
from harness import RESULTS

RESULT = RESULTS / "calibration" / "verdict.json"
PEOPLE = (5, 25, 100)
DRAWS = 300  # of the bootstrap; only a standard deviation is taken from them
JUDGED = {f"{margin.name}, {split}" for margin in MARGINS for split in margin.splits}
IN_SIGHT, SAME, NEW = "models in sight", "same request", "other requests"
CAUGHT, APART = "tpr_at_1pct_fpr", Key("js_divergence", "forget")
ON_FILE = [margin for margin in MARGINS if margin.name != APART.name]  # divergence needs whole answers
Array = np.ndarray[Any, np.dtype[Any]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """An audited model and its references, by their numbers."""

    seed: int
    kind: str
    audited: int
    references: tuple[int, ...]

    @property
    def sight(self) -> str:
        """What was known of these models when floors and margins were set: all, their request, or nothing."""
        if self.seed != FIRST:
            return NEW
        return SAME if min(self.audited, *self.references) >= SEEN else IN_SIGHT


def asked() -> Iterator[Asked]:
    """60 disjoint pairs of retrained models, 60 originals; then disjoint triples, and the originals beside two."""
    others = [FIRST + 1 + other for other in range(OTHERS)]
    yield from (Asked(FIRST, "reference", i, (i + 1,)) for i in range(0, REFERENCES, 2))
    yield from (Asked(seed, "reference", 0, (1,)) for seed in others)
    yield from (Asked(FIRST, "original", i, (i,)) for i in range(ORIGINALS))
    yield from (Asked(seed, "original", 0, (0,)) for seed in others)
    yield from (Asked(FIRST, "reference", i, (i + 1, i + 2)) for i in range(0, REFERENCES - 2, 3))
    # as many originals as there are pairs of references, the models that were in sight among each other
    enough = [i for i in range(ORIGINALS) if not SEEN // 2 <= i < SEEN]
    yield from (Asked(FIRST, "original", number, (2 * i, 2 * i + 1)) for i, number in enumerate(enough))
    yield from (Asked(seed, "original", 0, (0, 1)) for seed in others)


def observed(seed: int, kind: str, number: int, people: int) -> Observation:
    """What a model answered, with the first so many erased people looked at."""
    whole, subjects = answers_of(seed, kind, number), who(seed)["forget"]
    some = np.random.default_rng(0).permutation(np.unique(subjects))[:people]
    return {**whole, "forget": whole["forget"].part(np.isin(subjects, some))}


def judged(after: Observation, references: Sequence[Observation]) -> Verdict:
    """The way of `expunge audit`."""
    report = audit(None, after, references, draws=DRAWS)
    return judge(report.rows_after, report.rows_reference, margins=ON_FILE)


def outcome(models: Asked, people: int) -> Row:
    after = observed(models.seed, models.kind, models.audited, people)
    references = [observed(models.seed, "reference", number, people) for number in models.references]
    return {**named(models, people), **told(judged(after, references))}


def named(models: Asked, people: int) -> Row:
    return {
        "seed": models.seed,
        "kind": models.kind,
        "audited": models.audited,
        "references": list(models.references),
        "people": people,
    }


def told(verdict: Verdict) -> Row:
    """A verdict without its sentences."""
    audits = {
        f"{a.name}, {a.split}": [a.verdict, *(None if v is None else round(v, 5) for v in (a.gap, a.low, a.high, a.p))]
        for a in verdict.audits
    }
    return {"overall": verdict.overall, "alarms": len(verdict.alarms), "audits": audits}


def there(models: Asked) -> bool:
    needed = ((models.kind, models.audited), *(("reference", number) for number in models.references))
    return all(file_of(models.seed, *model).exists() for model in needed)


def counts(rows: list[Row]) -> list[Row]:
    """How often each outcome was reached."""

    def group(row: Row) -> tuple[Any, ...]:
        return row["kind"], len(row["references"]), row["sight"], row["people"]

    made = []
    for kind, references, sight, people in sorted(set(map(group, rows)), key=str):
        found = [row for row in rows if group(row) == (kind, references, sight, people)]
        of = {name: sum(r["overall"] == name for r in found) for name in OUTCOMES}
        alarmed = sum(row["alarms"] > 0 for row in found)
        who = {"kind": kind, "references": references, "sight": sight, "people": people}
        made.append({**who, "audits": len(found), **of, "alarmed": alarmed})
    return made


OUTCOMES = ("distinguishable", "inconclusive", "indistinguishable")


def floors() -> dict[str, float]:
    """What retrained models differ by beyond what other people would change, from the first of seed 300."""
    models = [observed(FIRST, "reference", number, 100) for number in range(SEEN)]
    pairs = [(first, [second]) for first, second in combinations(models, 2)]
    more = [(with_tuning(first), [with_tuning(second)]) for first, (second,) in pairs]
    return {
        **{name: value for name, value in beyond(pairs).items() if name in JUDGED},
        **{f"{name}, with tuning": value for name, value in beyond(more).items() if name.startswith(CAUGHT)},
        f"{APART.name}, {APART.split}, of triples": beyond_triples(
            [answering(i, model) for i, model in enumerate(models)]
        ),
    }


def answering(number: int, model: Observation) -> Observation:
    """The same reference with all that it answered on erased pictures."""
    logits = read(file_of(FIRST, "reference", number))["forget"].astype(np.float32)
    spec = LabelSpec(("label",), (tuple(map(str, range(logits.shape[1]))),))
    return {**model, "forget": replace(model["forget"], logits=logits, spec=spec)}


def with_tuning(model: Observation) -> Observation:
    """The same with both sets of people whom no model saw as one, in the place of those for reporting."""
    sides = model["reporting"], model["tuning"]

    def joined(what: str) -> Array:
        return np.concatenate([getattr(side, what) for side in sides])

    whole: dict[str, Any] = {
        what: joined(what) for what in ("ids", "subjects", "labels", "logits", "losses", "hits", "hits_of_two")
    }
    return {**model, "reporting": replace(model["reporting"], **whole)}


def beyond(compared: Sequence[tuple[Observation, Sequence[Observation]]]) -> dict[str, float]:
    """Standard deviation between retrained models, of every row: a gap between two has twice its square as variance,
    beyond what the bootstrap over people says."""
    found: dict[str, list[float]] = {}
    for model, beside in compared:
        for row in audit(None, model, beside, draws=DRAWS).rows_after:
            if row.gap is not None and row.gap_error is not None:
                found.setdefault(f"{row.name}, {row.split}", []).append((row.gap**2 - row.gap_error**2) / 2)
    return {name: rooted(values) for name, values in found.items()}


def beyond_triples(models: Sequence[Observation]) -> float:
    """The same for divergence from two references, less that between these: 3/2 of the square is its variance."""
    weights = resampling(models[0], draws=DRAWS, seed=0)
    apart = {
        frozenset((a, b)): divergences(models[a], [models[b]], weights)[APART].values
        for a, b in combinations(range(len(models)), 2)
    }
    luck = []
    for a, b, c in permutations(range(len(models)), 3):
        to_b, to_c, floor = (apart[frozenset(pair)] for pair in ((a, b), (a, c), (b, c)))
        assert to_b is not None and to_c is not None and floor is not None
        gap = (to_b + to_c) / 2 - floor
        luck.append(float(gap[0] ** 2 - gap[1:].var()) / 1.5)
    return rooted(luck)


def rooted(squares: Sequence[float]) -> float:
    return round(float(np.sqrt(max(0.0, float(np.mean(squares))))), 4)


def rules() -> list[list[Any]]:
    """What the judged rows and their margins are, and how well floors are known: outcomes under others are not kept."""
    judged = [[m.name, list(m.splits), m.margin, m.floor, m.proves] for m in ON_FILE]
    return [*judged, ["freedom of floors", FLOOR_FREEDOM]]


def kept() -> dict[str, Row]:
    """Outcomes of an earlier run under the same margins, by models and people."""
    found = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    rows = found.get("outcomes", ()) if found.get("margins") == rules() else ()
    return {key(row): row for row in rows}


def key(row: Row) -> str:
    return "-".join(str(row[name]) for name in ("seed", "kind", "audited", "references", "people"))


def write(rows: list[Row]) -> None:
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    head = {"draws": DRAWS, "floors_from": f"references 0 to {SEEN - 1} of seed {FIRST}", "counts": counts(rows)}
    body = json.dumps(head, indent=1)
    told = ",\n".join(json.dumps(rule) for rule in rules())
    RESULT.write_text(f'{body[:-2]},\n "margins": [\n{told}\n],\n "outcomes": [\n{lines}\n]\n}}\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--floors", action="store_true", help="print what the floors are derived from, and stop")
    torch.set_num_threads(1)
    if parser.parse_args().floors:
        print(json.dumps(floors(), indent=1))
        return
    before, rows = kept(), []
    for models in filter(there, asked()):
        for people in PEOPLE:
            row = before.get(key(named(models, people))) or outcome(models, people)
            rows.append({**row, "sight": models.sight})
            print(key(row), row["overall"], file=sys.stderr, flush=True)
        write(rows)


if __name__ == "__main__":
    main()
