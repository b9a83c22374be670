"""Holds methods against attacks that none of them saw, from the answers that the benches kept.

    python benchmarks/attacks.py [PROTOCOL ...]

Gap: of the attacks by loss, entropy, modified entropy, confidence and margin (AUROC, forget against reporting
pictures), the largest distance from what the same attack finds in models retrained without the forget set. Calibrated:
AUROC, forget against retain pictures, of the loss after a retrained model's is taken away from it, picture by picture;
a retrained model has .5. Means over seeds, with 95 % intervals from people (else pictures) drawn. Every method is
compared with the best of its column (paired, Holm over the others). What is kept are logits, so that attacks on
gradients and features are not among them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from expunge.audits.observe import Observation
from expunge.audits.resampling import Weights, resampling
from expunge.audits.statistics import RELATIVE, Key, relative
from expunge.bench.jobs import ORIGINAL
from expunge.bench.measured import measure_seed
from expunge.bench.protocol import Protocol, read_protocol
from expunge.bench.raw import RawFolder
from expunge.functional.attacks.signals import membership_scores
from expunge.functional.significance import against_best
from expunge.functional.stats import interval, mean_of, weighted_auroc

ROOT = Path(__file__).parent / "results"
PROTOCOLS = ("mufac-age", "mufac-gender", "mufac-attributes", "ferplus-emotion", "lfw-people")
SIGNALS = ("loss", "entropy", "modified_entropy", "confidence", "margin")
DRAWS, LEVEL = 1140, 0.05  # as many draws as let a p-value pass Holm's first step over 18 others

Array = np.ndarray[Any, np.dtype[Any]]
Draws = dict[str, Array]  # by column: the value itself, then draws


def signals(seen: Observation, weights: Weights) -> Array:
    """AUROC of every attack, forget against reporting: [attacks, 1 + draws]."""
    scores = [
        membership_scores(seen[s].logits, seen[s].labels, sizes=seen[s].spec.sizes) for s in ("forget", "reporting")
    ]
    drawn = weights["forget"], weights["reporting"]
    return np.stack([weighted_auroc(scores[0][name], scores[1][name], *drawn) for name in SIGNALS])


def measure(folder: Path, protocol: Protocol, seed: int) -> dict[str, Draws]:
    """Both columns for every row of a seed that is there."""
    raw = RawFolder(folder / f"seed-{seed}")
    found = measure_seed(raw, protocol, "cpu", seed, draws=1)
    references = [raw.observation(name) for name in found.references]
    weights = resampling(references[0], draws=DRAWS, seed=seed)
    retrained = mean_of([signals(one, weights) for one in references])
    rows = {}
    for name in [ORIGINAL, *(entry.name for entry in protocol.methods)]:
        if found.rows[name].state == "done" and found.rows[name].facts.get("changed", True):
            seen = raw.observation(name)
            left = relative(seen, references, weights)[Key(RELATIVE, "forget-vs-retain")].values
            assert left is not None
            rows[name] = {"gap": np.abs(signals(seen, weights) - retrained).max(axis=0), "calibrated": left}
    return rows


def table(rows: Mapping[str, Draws]) -> dict[str, Any]:
    """Values with intervals, and which methods are no worse than the best of a column."""
    told: dict[str, Any] = {name: {} for name in rows}
    far: Mapping[str, Callable[[Array], Array]] = {"gap": lambda x: x, "calibrated": lambda x: np.abs(x - 0.5)}
    for column, distance in far.items():
        best, others = against_best({name: distance(rows[name][column]) for name in rows if name != ORIGINAL})
        for name, values in rows.items():
            low, high = interval(values[column][1:])
            told[name][column] = {
                "value": round(float(values[column][0]), 4),
                "interval": [round(low, 4), round(high, 4)],
                "best": name != ORIGINAL and (name == best or others[name][2] > LEVEL),
            }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", nargs="*", default=list(PROTOCOLS))
    told = {}
    for name in parser.parse_args().protocols:
        protocol, folder = read_protocol(name), ROOT / "bench" / f"{name}-cpu"
        by_seed = [measure(folder, protocol, seed) for seed in protocol.seeds]
        everywhere = [row for row in by_seed[0] if all(row in rows for rows in by_seed)]
        rows = {
            row: {column: mean_of([rows[row][column] for rows in by_seed]) for column in by_seed[0][row]}
            for row in everywhere
        }
        told[name] = {"title": protocol.title, "seeds": list(protocol.seeds), "rows": table(rows)}
        for row, cells in told[name]["rows"].items():
            print(
                name,
                row,
                {c: (v["value"], v["interval"], "*" if v["best"] else "") for c, v in cells.items()},
                flush=True,
            )
    (ROOT / "attacks.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
