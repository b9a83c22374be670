"""Holds methods against attacks that none of them saw, from the answers that the benches kept.

    python benchmarks/attacks.py [PROTOCOL ...]

Rows of protocols that are not named stay as they are in benchmarks/results/attacks.json.

Gap: of the attacks by loss, entropy, modified entropy, confidence and margin (AUROC, forget against reporting
pictures), the largest distance from what the same attack finds in models retrained without the forget set. Loss,
entropy: what these two find beyond retrained models (above 0: too little forgotten). Inner: the same as the gap, of the
attacks by gradient norm and feature distance, on the seeds whose rows keep these. Calibrated: AUROC, forget against
retain pictures, of the loss after a retrained model's is taken away from it, picture by picture; a retrained model has
.5. Means over seeds, with 95 % intervals from people (else pictures) drawn. Every method is compared with the best of
its column (paired, Holm over the others).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from expunge.audits.observe import Observation
from expunge.audits.population import INNER
from expunge.audits.resampling import Weights, resampling
from expunge.audits.statistics import RELATIVE, Key, relative
from expunge.bench.jobs import ORIGINAL
from expunge.bench.measured import measure_seed
from expunge.bench.protocol import Protocol, read_protocol
from expunge.bench.raw import RawFolder
from expunge.bench.summary import covering
from expunge.bench.table import fingerprint
from expunge.functional.attacks.signals import membership_scores
from expunge.functional.significance import against_best
from expunge.functional.stats import mean_of, weighted_auroc

ROOT = Path(__file__).parent / "results"
PROTOCOLS = (
    "mufac-age",
    "mufac-age-hard",
    "mufac-age-25-people",
    "mufac-age-5-people",
    "mufac-gender",
    "mufac-attributes",
    "ferplus-emotion",
    "lfw-people",
)
SIGNALS = ("loss", "entropy", "modified_entropy", "confidence", "margin")
SHOWN = ("loss", "entropy")
DRAWS, LEVEL = 1140, 0.05  # as many draws as let a p-value pass Holm's first step over 18 others

Array = np.ndarray[Any, np.dtype[Any]]
Sides = tuple[Array, Array]  # forget, reporting
Draws = dict[str, Array]  # by column: the value itself, then draws


def outer(seen: Observation) -> list[Sides]:
    """Scores of forget and of reporting pictures by every attack on answers."""
    scores = [
        membership_scores(seen[s].logits, seen[s].labels, sizes=seen[s].spec.sizes) for s in ("forget", "reporting")
    ]
    return [(scores[0][name], scores[1][name]) for name in SIGNALS]


def aurocs(attacks: Iterable[Sides], weights: Weights) -> Array:
    """AUROC of every attack: [attacks, 1 + draws]."""
    drawn = weights["forget"], weights["reporting"]
    return np.stack([weighted_auroc(forget, reporting, *drawn) for forget, reporting in attacks])


def measure(folder: Path, protocol: Protocol, seed: int) -> dict[str, Draws]:
    """All columns for every row of a seed that is there; `inner` where all of these rows keep what it takes."""
    raw = RawFolder(folder / f"seed-{seed}")
    found = measure_seed(raw, protocol, "cpu", seed, draws=1)
    references = [raw.observation(name) for name in found.references]
    weights = resampling(references[0], draws=DRAWS, seed=seed)
    named = [ORIGINAL, *(entry.name for entry in protocol.methods)]
    told = [name for name in named if found.rows[name].state == "done" and found.rows[name].facts.get("changed", True)]
    inner = {name: list(raw.inner(name).values()) for name in (*found.references, *told)}
    whole = all(len(attacks) == len(INNER) for attacks in inner.values())
    retrained = mean_of([aurocs(outer(one), weights) for one in references])
    within = mean_of([aurocs(inner[name], weights) for name in found.references]) if whole else None
    rows: dict[str, Draws] = {}
    for name in told:
        seen = raw.observation(name)
        left = relative(seen, references, weights)[Key(RELATIVE, "forget-vs-retain")].values
        assert left is not None
        beyond = aurocs(outer(seen), weights) - retrained
        shown = {signal: draws for signal, draws in zip(SIGNALS, beyond, strict=True) if signal in SHOWN}
        rows[name] = {"gap": np.abs(beyond).max(axis=0), **shown, "calibrated": left}
        if within is not None:
            rows[name]["inner"] = np.abs(aurocs(inner[name], weights) - within).max(axis=0)
    return rows


def means(by_seed: Sequence[Mapping[str, Draws]]) -> dict[str, Draws]:
    """Of every column over the seeds that have it, for rows that all seeds have."""
    made: dict[str, Draws] = {}
    for row in (row for row in by_seed[0] if all(row in rows for rows in by_seed)):
        columns = dict.fromkeys(column for rows in by_seed for column in rows[row])
        made[row] = {c: mean_of([rows[row][c] for rows in by_seed if c in rows[row]]) for c in columns}
    return made


def table(rows: Mapping[str, Draws]) -> dict[str, Any]:
    """Values with intervals, and which methods are no worse than the best of a column."""
    told: dict[str, Any] = {name: {} for name in rows}
    for column in rows[ORIGINAL]:
        level = 0.5 if column == "calibrated" else 0.0
        far = {name: np.abs(values[column] - level) for name, values in rows.items() if name != ORIGINAL}
        best, others = against_best(far)
        for name, values in rows.items():
            low, high = covering(values[column])
            told[name][column] = {
                "value": round(float(values[column][0]), 4),
                "interval": [round(low, 4), round(high, 4)],
                "best": name != ORIGINAL and (name == best or others[name][2] > LEVEL),
            }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", nargs="*", default=list(PROTOCOLS))
    result = ROOT / "attacks.json"
    told = json.loads(result.read_text()) if result.exists() else {}
    for name in parser.parse_args().protocols:
        protocol, folder = read_protocol(name), ROOT / "bench" / f"{name}-cpu"
        by_seed = {seed: measure(folder, protocol, seed) for seed in protocol.seeds}
        told[name] = {
            "title": protocol.title,
            "seeds": list(by_seed),
            "inner_seeds": [seed for seed, rows in by_seed.items() if "inner" in rows[ORIGINAL]],
            "rows": table(means(list(by_seed.values()))),
            "raw": fingerprint(folder, protocol, "cpu"),
        }
        for row, cells in told[name]["rows"].items():
            said = {c: (v["value"], v["interval"], "*" if v["best"] else "") for c, v in cells.items()}
            print(name, row, said, flush=True)
    in_order = {name: told[name] for name in dict.fromkeys((*PROTOCOLS, *told)) if name in told}
    result.write_text(json.dumps(in_order, indent=1) + "\n")


if __name__ == "__main__":
    main()
