"""A planted series between original and retrained model: does the verdict see less where less is left?

    python benchmarks/half_unlearned.py

Weights are interpolated between an original and the reference trained beside it, and batch-norm statistics estimated
again on the retain set, without augmentation. Two trainings lie in different valleys, so that the models in between
are worse at everything; logits interpolated between the same two models have no valley to cross and stand beside them.
Each is audited against another reference, which had no part in it. The relative attack against the retain set must
fall from the original over half to the reference in every series.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import torch
from torch import nn

from calibration import FIRST, model_of, task_of
from expunge.audits.observe import Observation, Seen, answered, observe
from expunge.audits.run import audit
from expunge.bench.tasks import BenchTask
from expunge.evidence.verdict import judge
from expunge.models.classifier import PixelClassifier
from expunge.types import SPLITS, PictureSet
from harness import RESULTS
from verdict_calibration import told

RESULT = RESULTS / "calibration" / "half-unlearned.json"
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the original
HALVES = (1.0, 0.5, 0.0)
SERIES, BATCH, DRAWS = 4, 256, 300
ORDERED = "mia_relative_auroc", "forget-vs-retain"
Row = dict[str, Any]


def between(original: PixelClassifier, reference: PixelClassifier, share: float, retain: PictureSet) -> PixelClassifier:
    """Weights at `share` of the way from the reference to the original; statistics of batch norm estimated again."""
    mixed = copy.deepcopy(reference)
    theirs = original.state_dict()
    with torch.no_grad():
        for name, ours in mixed.state_dict().items():
            if ours.is_floating_point():
                ours.lerp_(theirs[name], share)
    norms = [layer for layer in mixed.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all batches
    mixed.train()
    with torch.no_grad():
        for index in torch.split(torch.arange(len(retain)), BATCH):
            mixed(retain.pixels(index).float().div_(255))
    return mixed.eval()


def blended(original: Observation, reference: Observation, share: float) -> Observation:
    """Logits at `share` of the way from the reference to the original."""
    return {s: blend(original[s], reference[s], share) for s in SPLITS}


def blend(theirs: Seen, ours: Seen, share: float) -> Seen:
    logits = torch.from_numpy(share * theirs.logits + (1 - share) * ours.logits)
    return answered(ours.ids, ours.subjects, torch.from_numpy(ours.labels), logits, ours.spec)


def judged(after: Observation, beside: Observation) -> Row:
    report = audit(None, after, [beside], draws=DRAWS)
    return {
        "accuracy": report.row("accuracy", "reporting").value,
        "relative": report.row(*ORDERED).value,
        **told(judge(report.rows_after, report.rows_reference)),
    }


def series(bench: BenchTask, number: int) -> list[Row]:
    """Both series from one original to the reference trained beside it."""
    original, reference, other = (
        model_of(bench, kind, i).classifier
        for kind, i in (("original", number), ("reference", number), ("reference", number + SERIES))
    )
    untouched, retrained, beside = (observe(model, bench.task) for model in (original, reference, other))
    rows = []
    for share in SHARES:
        mixed = observe(between(original, reference, share, bench.task.retain), bench.task)
        for kind, after in (("weights", mixed), ("logits", blended(untouched, retrained, share))):
            rows.append({"series": number, "kind": kind, "share": share, **judged(after, beside)})
            print({k: v for k, v in rows[-1].items() if k != "audits"}, flush=True)
    return rows


def disorder(rows: list[Row], kind: str, shares: tuple[float, ...]) -> float:
    """Which share of steps towards the reference does not lessen the relative attack."""
    found = {(r["series"], r["share"]): r["relative"] for r in rows if r["kind"] == kind}
    values = np.array([[found[number, share] for share in shares] for number in range(SERIES)])
    return round(float((np.diff(values, axis=1) >= 0).mean()), 4)


def ordered(rows: list[Row], kind: str) -> Row:
    """Original, half and reference must be in order; quarters lie so near each other that they need not be."""
    value, quarters = disorder(rows, kind, HALVES), disorder(rows, kind, SHARES)
    name = f"{kind} half-way between original and reference: steps out of order"
    return {"name": name, "value": value, "threshold": 0, "quarters": quarters, "holds": value == 0}


def main() -> None:
    torch.set_num_threads(1)
    bench = task_of(FIRST)
    rows = [row for number in range(SERIES) for row in series(bench, number)]
    results = [ordered(rows, kind) for kind in ("weights", "logits")]
    print(results)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    RESULT.write_text(f'{{"results": {json.dumps(results)},\n "outcomes": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
