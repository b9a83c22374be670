"""The standard tier as its user meets it: on an erase run of MUFAC, killed once, and the same by other workers.

    python benchmarks/standard.py [--epochs 40] [--again 8] [--most 75]

A half-width ResNet-18 learns MUFAC at 64x64 for `--epochs`; a reference does without the pictures of a request; dlfd
erases. Then `expunge audit --run ... --tier standard` is killed with SIGKILL, and all its workers with it, once five
shadows are finished, and started again with --resume: both together must not take longer than `--most` minutes, and no
finished shadow may be trained again. The same with `--again` epochs by a pool and by Ray, two workers each: metrics
must be the same to the last digit. All folders lie in runs/standard; what is finished is not done again. Seconds and
values go to benchmarks/results/standard.json.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from calibration import FACES
from harness import write

PLACE = Path(__file__).parents[1] / "runs" / "standard"
SHARE, KILLED_AT, POLL = "0.1", 5, 0.5


def expunge(*words: str) -> list[str]:
    return [sys.executable, "-m", "expunge", *words]


def done(words: list[str], out: Path) -> float:
    """Run a command unless its result is there; the seconds it took, or 0."""
    if out.exists():
        return 0.0
    start = time.monotonic()
    subprocess.run(words, check=True)
    return time.monotonic() - start


def erased(epochs: int) -> Path:
    """A finished erase run."""
    place, data = PLACE / f"{epochs}-epochs", [
        "--data", str((FACES / "mufac.parquet").resolve()), "--label", "age_class", "--subject", "identity",
        "--size", "64", "--cache", str(PLACE / "cache"),
    ]  # fmt: skip
    request = place / "request.csv"
    place.mkdir(parents=True, exist_ok=True)
    done(expunge("draw-request", *data, "--share", SHARE, "--out", str(request)), request)
    train = ["train", *data, "--resume", "--arch", "resnet18-half", "--epochs", str(epochs)]
    original, reference, out = place / "original", place / "reference", place / "erased"
    done(expunge(*train, "--out", str(original)), original)
    done(
        expunge(*train, "--without", str(request), "--near-copies", "ignore", "--seed", "101", "--out", str(reference)),
        reference,
    )
    made = ["erase", *data, "--resume", "--model", str(original), "--request", str(request), "--near-copies", "ignore"]
    done(expunge(*made, "--reference", str(reference), "--out", str(out)), out)
    return out


def audit(run: Path, workers: str, name: str) -> tuple[list[str], Path, Path]:
    """The command, its output and the cache of its shadows."""
    out, cache = run.parent / f"audit-{name}", run.parent / f"cache-{name}"
    words = ["audit", "--run", str(run), "--tier", "standard", "--workers", workers, "--cache", str(cache)]
    return expunge(*words, "--resume", "--out", str(out)), out, cache


def shadows(cache: Path) -> dict[str, float]:
    """Finished shadows, and when they were."""
    return {path.name: path.stat().st_mtime for path in (cache / "shadows").glob("*.json")}


def killed(words: list[str], cache: Path) -> float:
    """Start, wait for five shadows, kill; the seconds that went by."""
    start = time.monotonic()
    with subprocess.Popen(words, start_new_session=True) as process:
        while len(shadows(cache)) < KILLED_AT and process.poll() is None:
            time.sleep(POLL)
        os.killpg(process.pid, signal.SIGKILL)
    return time.monotonic() - start


def interrupted(run: Path) -> dict[str, Any]:
    """The audit, killed and resumed."""
    words, out, cache = audit(run, "pool", "killed")
    if out.exists():
        raise SystemExit(f"{out} is there: remove it, and {cache}, to measure again")
    first = killed(words, cache)
    before = shadows(cache)
    second = done(words, out)
    after = shadows(cache)
    return {
        "seconds": [round(first), round(second)],
        "shadows": [len(before), len(after)],
        "trained again": sum(after[name] != when for name, when in before.items()),
    }


def by_both(run: Path) -> dict[str, Any]:
    """Whether a pool and Ray find the same."""
    seconds, found = {}, {}
    for workers in ("pool", "ray"):
        words, out, _ = audit(run, workers, workers)
        seconds[workers] = round(done(words, out))
        found[workers] = json.loads((out / "metrics.json").read_text())
    pairs = zip(*(found[workers]["audits"][0]["rows_after"] for workers in found), strict=True)
    apart = [one != other for one, other in pairs]
    # all else there is in metrics counts as one row more
    return {"seconds": seconds, "rows": len(apart), "apart": sum(apart) or int(found["pool"] != found["ray"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--again", type=int, default=8)
    parser.add_argument("--most", type=float, default=75, help="minutes")
    given = parser.parse_args()
    twice, once = by_both(erased(given.again)), interrupted(erased(given.epochs))
    minutes = round(sum(once["seconds"]) / 60, 1)
    tier = f"expunge audit --tier standard, MUFAC, half width, {given.epochs} epochs"
    rows: list[dict[str, object]] = [
        {"name": f"{tier}: minutes, killed once", "value": minutes, "threshold": given.most, **once},
        {"name": f"{tier}: finished shadows trained again", "value": once["trained again"], "threshold": 0},
        {
            "name": f"{tier.replace(str(given.epochs), str(given.again))}: rows that a pool and Ray find otherwise",
            "value": twice.pop("apart"),
            "threshold": 0,
            **twice,
        },
    ]
    for row in rows:
        row["holds"] = row["value"] <= row["threshold"]  # type: ignore[operator]
        print(row, flush=True)
    write("standard.py", rows)


if __name__ == "__main__":
    main()
