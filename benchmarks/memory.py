"""How memory and time grow with the number of pictures: 10,000 against 100,000 synthetic pictures of 128x128.

Each size runs in a process of its own; a thread samples the anonymous memory of the process. Held to: anonymous
memory under 2 GiB at the larger size; the method phase takes as long at both sizes for the same number of steps;
decoding and audits keep their rate.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness import write

SIZES = (10_000, 100_000)
PER_SUBJECT = 10
SIDE = 128
STEPS = 30
GIB = 1 << 30


def anonymous_bytes() -> int:
    """Anonymous resident memory of this process (mapped files are not in it)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this benchmark needs Linux: no RssAnon in /proc/self/status")


@contextmanager
def watching() -> Iterator[list[int]]:
    """Sample anonymous memory ten times a second; the list ends with the peak."""
    peak, done = [0], threading.Event()

    def sample() -> None:
        while not done.wait(0.1):
            peak[0] = max(peak[0], anonymous_bytes())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def draw(table: Path, pictures: int) -> None:
    """Write synthetic faces."""
    from expunge.data.synthetic import write_parquet

    write_parquet(table, subjects=pictures // PER_SUBJECT, pictures_per_subject=PER_SUBJECT, size=SIDE)


def measure(pictures: int, folder: Path) -> dict[str, float]:
    """Decode, erase for a fixed number of steps, audit; with the peak of anonymous memory over all of it."""
    from expunge.audits.observe import observe
    from expunge.audits.run import audit
    from expunge.data.requests import ErasureRequest, resolve
    from expunge.data.sources import DataSpec, read_dataset
    from expunge.engine.loop import run_phases
    from expunge.engine.settings import EngineSettings
    from expunge.methods.phases import Context
    from expunge.methods.registry import resolve_method
    from expunge.models.classifier import Preprocessing
    from expunge.models.load import new_model

    table = folder / "faces.parquet"
    # drawing the pictures is not part of what is measured: another process does it
    subprocess.run([sys.executable, __file__, "draw", str(table), str(pictures)], check=True)
    spec = DataSpec(path=str(table), labels=("age_group",), subject="subject", split="split")
    result: dict[str, float] = {"pictures": pictures}
    with watching() as peak:
        start = time.perf_counter()
        dataset = read_dataset(spec, size=(SIDE, SIDE), cache=folder / "cache")
        result["decode_seconds"] = time.perf_counter() - start
        people = sorted(set(dataset.role("train").subjects.tolist()))  # type: ignore[union-attr]
        request = ErasureRequest(subjects=tuple(people[: len(people) // 10]))
        start = time.perf_counter()
        task = resolve(request, dataset, near_copies="ignore").task
        result["resolve_seconds"] = time.perf_counter() - start
        artefact = new_model("resnet18-quarter", task.retain.spec, Preprocessing((SIDE, SIDE)), seed=0)
        method, config = resolve_method("dlfd")
        context = Context(task.steering, lambda: artefact.classifier, artefact.fresh, None, 0)
        settings = EngineSettings(max_steps=STEPS)
        outcome = run_phases(artefact.classifier, method.phases(replace(config), context), settings=settings)
        result["method_seconds"] = outcome.seconds
        result["steps"] = outcome.steps
        result["audit_seconds"] = seconds(lambda: audit(None, observe(artefact.classifier, task), []))
    result["peak_anonymous_bytes"] = peak[0]
    return result


def main() -> None:
    runs = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, __file__, str(size), folder], check=True, capture_output=True, text=True
            )
        runs[size] = json.loads(done.stdout.splitlines()[-1])
        print(runs[size], flush=True)
    small, large = (runs[s] for s in SIZES)
    ratio = {
        name: (large[f"{name}_seconds"] / large["pictures"]) / (small[f"{name}_seconds"] / small["pictures"])
        for name in ("decode", "audit")
    }
    method = large["method_seconds"] / small["method_seconds"]
    rows: list[dict[str, object]] = [
        {
            "name": "anonymous memory at the larger size, GiB",
            "value": large["peak_anonymous_bytes"] / GIB,
            "threshold": 2.0,
            "holds": large["peak_anonymous_bytes"] < 2 * GIB,
        },
        {
            "name": "method phase, larger over smaller at the same number of steps",
            "value": method,
            "threshold": 1.2,
            "holds": method <= 1.2 and large["steps"] == small["steps"] == STEPS,
        },
        *(
            {
                "name": f"{name}: seconds per picture, larger over smaller",
                "value": value,
                "threshold": 1.5,
                "holds": value <= 1.5,
                "pictures_per_second": large["pictures"] / large[f"{name}_seconds"],
            }
            for name, value in ratio.items()
        ),
    ]
    for row in rows:
        print(row)
    write(__file__, [*rows, *({"name": f"raw {size}", "holds": True, **run} for size, run in runs.items())])


if __name__ == "__main__":
    if sys.argv[1:2] == ["draw"]:
        draw(Path(sys.argv[2]), int(sys.argv[3]))
    elif len(sys.argv) == 3:
        print(json.dumps(measure(int(sys.argv[1]), Path(sys.argv[2]))))
    else:
        main()
