"""Do the verdict's floors hold on other tasks than the one they were measured on, and what does it say of methods?

    python benchmarks/elsewhere.py

The main benches keep what two or three models retrained without the same pictures answered: faces by age, gender and
both, emotions, persons; half width, 40 epochs. Each of them is audited beside each other one: none may be called
distinguishable; and the untouched original, and what every method made of it, beside all of them. How far values vary
between them, what people explain included, stands beside the floors; so few models show an order of magnitude. All
follows from benchmarks/results/bench; it goes to benchmarks/results/calibration/elsewhere.json.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np

from expunge.audits.observe import Observation
from expunge.audits.run import audit
from expunge.bench.protocol import read_protocol
from expunge.bench.raw import RawFolder
from expunge.evidence.margins import MARGINS
from expunge.evidence.verdict import Verdict, judge
from expunge.types import AuditRow
from harness import RESULTS

RESULT = RESULTS / "calibration" / "elsewhere.json"
BENCHES = ("mufac-age", "mufac-gender", "mufac-attributes", "ferplus-emotion", "lfw-people")
METHODS = tuple(entry.name for entry in read_protocol("mufac-age").methods)
JUDGED = {(margin.name, split) for margin in MARGINS for split in margin.splits}
DRAWS = 300


def compared(bench: str) -> dict[str, Any]:
    """Every ordered pair of a task's retrained models."""
    folder = RawFolder(RESULTS / "bench" / f"{bench}-cpu" / "seed-0")
    models = [folder.observation(row) for row in folder.rows() if row.startswith("reference-")]
    forget, original = models[0]["forget"], folder.observation("original")
    said: Counter[str] = Counter()
    gaps: dict[str, list[float]] = {}
    least = 1.0
    for after, reference in permutations(models, 2):
        verdict, rows = beside(after, [reference])
        said[verdict.overall] += 1
        least = min([least, *(a.p for a in verdict.audits if a.p is not None)])
        for row in rows:
            if row.gap is not None and (row.name, row.split) in JUDGED:
                gaps.setdefault(f"{row.name}, {row.split}", []).append(row.gap)
    return {
        "models": len(models),
        "people": None if forget.subjects is None else len(np.unique(forget.subjects)),
        "pictures": len(forget.ids),
        "verdicts": dict(said),
        "original": beside(original, models)[0].overall,
        "methods": {name: said_of(folder, name, original, models) for name in METHODS},
        "least p": round(least, 4),
        # the variance of a gap between two is twice that of one
        "deviation": {name: round(float(np.sqrt(np.mean(np.square(found)) / 2)), 4) for name, found in gaps.items()},
    }


def said_of(folder: RawFolder, method: str, original: Observation, references: Sequence[Observation]) -> dict[str, Any]:
    """The verdict on what a method made, and by which audits it is told apart."""
    kept = folder.told(method)
    if kept is None or kept.get("failed"):
        return {"verdict": "failed" if kept else "not run", "by": []}
    verdict, _ = beside(folder.observation(method), references, original)
    by = [f"{a.name}, {a.split}" for a in verdict.audits if a.verdict == "distinguishable"]
    return {"verdict": verdict.overall, "by": by}


def beside(
    after: Observation, references: Sequence[Observation], before: Observation | None = None
) -> tuple[Verdict, Sequence[AuditRow]]:
    """The way of `expunge audit`, and the audited model's rows."""
    report = audit(before, after, references, draws=DRAWS)
    return judge(report.rows_after, report.rows_reference, before=report.rows_before), report.rows_after


def main() -> None:
    found = {bench: compared(bench) for bench in BENCHES}
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
