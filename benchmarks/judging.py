"""Does what `auto` judges by order methods as retrained models do?

    python benchmarks/judging.py

Every row of the tables (methods, the untouched original) is judged from the answers that were kept, by tuning pictures
alone, as `auto` does: the largest gap to what a retrained model is expected to show. Beside it stands what reporting
pictures and retrained models say, the distance d_all of the tables. Rank correlation over rows (Spearman), seed by
seed; how far the retrained models themselves are from that expectation; and which of the methods that fit its usual
budget it would take. There a method that reads tuning pictures has read those that judge it, where `auto` shows it the
other half. Goes to benchmarks/results/judging.json; no model and no picture is needed.
"""

from __future__ import annotations

import json
from typing import Any

from scipy.stats import spearmanr

from expunge.audits.observe import Observation
from expunge.bench.jobs import ORIGINAL
from expunge.bench.measured import measure_seed
from expunge.bench.protocol import Protocol, read_protocol
from expunge.bench.raw import RawFolder
from expunge.bench.table import fingerprint
from expunge.functional.forgetting import Answers, gone_classes, retraining_gaps, skill_gaps, skill_kept
from expunge.methods.auto import Auto, affordable
from expunge.methods.cost import Sizes
from expunge.methods.registry import TRIED
from expunge.types import TrainRecipe
from harness import RESULTS

RESULT = RESULTS / "judging.json"
PROTOCOLS = ("mufac-age", "mufac-age-hard", "mufac-gender", "mufac-attributes", "ferplus-emotion", "lfw-people")


def judged(seen: Observation, original: Observation) -> float:
    """The largest gap that tuning pictures tell."""
    gone, unknown = (gone_classes(seen[s].labels, seen["retain"].labels) for s in ("forget", "tuning"))
    gaps = retraining_gaps(answers(seen, "forget"), answers(seen, "tuning"), gone.all(1))
    now, before = (skill_kept(one["retain"].hits, one["tuning"].hits, unknown) for one in (seen, original))
    return max(map(abs, (gaps | skill_gaps(now, before)).values()))


def answers(seen: Observation, split: str) -> Answers:
    one = seen[split]
    return Answers(one.losses, one.hits, one.labels, one.subjects)


def row_of(protocol: Protocol, seed: int) -> dict[str, Any]:
    """One seed of a protocol."""
    raw = RawFolder(RESULTS / "bench" / f"{protocol.name}-cpu" / f"seed-{seed}")
    found, size = measure_seed(raw, protocol, "cpu", seed, draws=1), protocol.sizes["cpu"]
    original = raw.observation(ORIGINAL)
    rows = [ORIGINAL, *(entry.name for entry in protocol.methods)]
    true = {n: float(found.rows[n].values["distance_all"][0]) for n in rows if found.rows[n].state == "done"}
    guess = {name: judged(raw.observation(name), original) for name in true}
    sizes = Sizes(*(found.sets[s][0] for s in ("retain", "forget", "tuning")), TrainRecipe(epochs=size.epochs))
    tried = [one.name for one in affordable(Auto(), sizes, TRIED) if one.name in true]
    taken = min(tried, key=lambda name: guess[name])
    return {
        "seed": seed,
        "rows": len(true),
        "spearman": round(float(spearmanr(list(guess.values()), list(true.values())).statistic), 3),
        "retrained": [round(judged(raw.observation(name), original), 4) for name in found.references],
        "tried": tried,
        "taken": taken,
        "taken d_all": round(true[taken], 4),
        "nearest d_all": round(min(true[name] for name in tried), 4),
        "untouched d_all": round(true[ORIGINAL], 4),
    }


def main() -> None:
    told = {}
    for name in PROTOCOLS:
        protocol = read_protocol(name)
        folder = RESULTS / "bench" / f"{name}-cpu"
        told[name] = {
            "title": protocol.title,
            "seeds": [row_of(protocol, seed) for seed in protocol.seeds],
            "raw": fingerprint(folder, protocol, "cpu"),
        }
        print(name, *told[name]["seeds"], sep="\n  ", flush=True)
    RESULT.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
