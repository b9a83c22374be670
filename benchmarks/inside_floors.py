"""How far audits that look inside or train further differ between retrained models: the floors of their margins.

    python benchmarks/inside_floors.py

The models are those of `verdict_calibration.py --floors`: the first eight retrained ones of seed 300, and the originals
beside them, which say how much there is to see. All look at the same people and pictures, so that the standard
deviation of a value over retrained models is the luck of training alone. Values of every model go to
benchmarks/results/calibration/inside.json; `expunge.evidence.margins` holds what follows from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import torch

from calibration import FIRST, SEEN, model_of, task_of
from expunge.app.deeper import Further
from expunge.audits.gradients import gradients
from expunge.audits.observe import observe
from expunge.audits.relearn import relearning
from expunge.audits.residue import residue
from expunge.audits.rows import RowsBeside
from expunge.engine.settings import EngineSettings, decide
from harness import RESULTS

RESULT = RESULTS / "calibration" / "inside.json"


def looks() -> Iterator[RowsBeside]:
    """The audits, with the first retrained model as the audited one and all others beside it."""
    bench = task_of(FIRST)
    settings = decide(EngineSettings(seed=FIRST, threads=torch.get_num_threads()))
    asked = [(kind, number) for kind in ("reference", "original") for number in range(SEEN)]
    first, *beside = [model_of(bench, kind, number).classifier for kind, number in asked]
    seen = observe(first, bench.task)
    yield gradients(None, first, beside, bench.task, seen, draws=1)
    yield relearning(None, first, beside, bench.task, Further(settings), draws=1).rows
    yield residue(None, first, beside, bench.task, seen, draws=1)


def main() -> None:
    values: dict[str, list[float | None]] = {}
    for found in looks():
        for rows in (found.after, *found.references):
            for row in rows:
                values.setdefault(f"{row.name}, {row.split}", []).append(row.value)
    made = {}
    for name, measured in values.items():
        retrained, originals = np.asarray(measured[:SEEN], np.float64), np.asarray(measured[SEEN:], np.float64)
        made[name] = {
            "retrained": retrained.round(4).tolist(),
            "originals": originals.round(4).tolist(),
            "floor": round(float(retrained.std(ddof=1)), 4),
            "gap": round(float(originals.mean() - retrained.mean()), 4),
        }
        print(f"{name}: floor {made[name]['floor']}, originals {made[name]['gap']:+}", flush=True)
    RESULT.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
