"""A bench from protocol to raw rows: nothing is done twice, a failing method stops nobody, the dead are told."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from expunge.app.desk import Silent
from expunge.bench import work
from expunge.bench.jobs import Job, Place, done
from expunge.bench.run import BenchSettings, run_bench
from expunge.bench.work import run_job
from expunge.engine.settings import EngineSettings, decide
from expunge.errors import InputError, Interrupted
from expunge.methods.phases import Edit, Phases
from tests.bench.conftest import FIELDS

SETTINGS = decide(EngineSettings(threads=1, precision="fp32", channels_last="off"))


def bench(protocol: Path, folder: Path, **changes: Any) -> BenchSettings:
    place = protocol.parent
    given = BenchSettings(str(protocol), seeds=(1,), jobs=2, cache=place / "cache", out=place / "out", device="cpu")
    return replace(given, **{"faces": folder, **changes})


@pytest.fixture
def place(tmp_path: Path, faces: Path) -> Place:
    return Place(faces / "faces.parquet", tmp_path / "cache", tmp_path / "out")


def job(protocol: Path, kind: Any, row: str, seed: int = 0) -> Job:
    return Job(str(protocol), "cpu", seed, kind, row)


def test_a_bench_does_what_is_missing_and_nothing_else(protocol: Path, faces: Path) -> None:
    result = run_bench(bench(protocol, faces), desk=Silent())
    rows = result.out / "seed-1"
    names = {"original", "reference-1", "untrained", "fine", "neggrad"}
    assert {p.stem for p in rows.glob("*.npz")} == names | {"task"}
    told = json.loads((rows / "fine.json").read_text())
    assert told["changed"] and told["seconds"] > 0 and told["retrain_seconds"] > 0
    assert told["original"] == json.loads((rows / "original.json").read_text())["weights"]
    assert len(list((protocol.parent / "cache" / "models").iterdir())) == 2, "original and reference are kept"
    before = {p.name: p.stat().st_mtime_ns for p in rows.iterdir()}
    os.remove(rows / "neggrad.json")
    run_bench(bench(protocol, faces), desk=Silent())
    after = {p.name: p.stat().st_mtime_ns for p in rows.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"neggrad.json", "neggrad.npz"}


def test_models_are_shared_between_methods_and_protocols(
    protocol: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_job(job(protocol, "original", "original"), place, SETTINGS, Silent())
    monkeypatch.setattr("expunge.bench.models.train_model", lambda *a, **k: pytest.fail("trained again"))
    protocol.write_text(yaml.safe_dump({**FIELDS, "methods": [{"method": "finetune", "set": {"epochs": 0.5}}]}))
    run_job(job(protocol, "method", "finetune, epochs=0.5"), place, SETTINGS, Silent())
    assert done(job(protocol, "method", "finetune, epochs=0.5"), place)


def test_a_failing_method_is_kept_as_failed(protocol: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(config: object, context: object) -> Phases:
        yield Edit("oops", lambda model: 1 / 0)  # type: ignore[arg-type,return-value]

    known = work.resolve_method("finetune")
    monkeypatch.setattr(work, "resolve_method", lambda *a: (replace(known[0], phases=fails), known[1]))
    desk = Silent()
    failing = job(protocol, "method", "fine")
    run_job(failing, place, SETTINGS, desk)
    assert place.raw(0).told("fine")["failed"] == "ZeroDivisionError: division by zero"
    assert desk.warnings == ["fine failed: ZeroDivisionError: division by zero"]
    assert done(failing, place) and not done(failing, place, retry=True)
    monkeypatch.undo()
    run_job(failing, place, SETTINGS, desk)
    assert "failed" not in place.raw(0).told("fine")


def test_retraining_is_timed_beside_the_method_and_steers_nothing(protocol: Path, place: Place) -> None:
    run_job(job(protocol, "method", "fine"), place, SETTINGS, Silent())
    first = place.raw(0).observation("fine")["retain"].logits.tobytes()
    run_job(job(protocol, "method", "fine"), place, SETTINGS, Silent())
    assert place.raw(0).observation("fine")["retain"].logits.tobytes() == first, "the same seed, the same model"


def test_a_worker_that_is_killed_is_told_and_its_row_is_done_next_time(protocol: Path, faces: Path) -> None:
    slow = {**FIELDS, "sizes": {"cpu": {**FIELDS["sizes"]["cpu"], "epochs": 4000}}}  # type: ignore[index]
    protocol.write_text(yaml.safe_dump(slow))
    killer = threading.Thread(target=_kill_a_worker, args=(protocol.parent / "cache",))
    killer.start()
    desk = Silent()
    with pytest.raises(Interrupted, match="rows are missing: original"):
        run_bench(bench(protocol, faces, jobs=1), desk=desk)
    killer.join()
    assert any(f"died (exit code -{signal.SIGKILL.value})" in text for text in desk.warnings)


def _kill_a_worker(cache: Path) -> None:
    """Once the training is under way (decoded pictures are there), kill the process that trains."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(cache.glob("*")):
            for child in psutil.Process().children():
                if any("spawn_main" in word for word in child.cmdline()):
                    child.kill()
                    return
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": "huge"}, "--size: expected one of cpu, came 'huge'"),
        ({"methods": ("magic",)}, "--method: expected one of fine, neggrad"),
        ({"jobs": 0}, "--jobs"),
        ({"faces": Path("/nowhere")}, "--data: expected the pictures of small"),
    ],
)
def test_bad_input(protocol: Path, faces: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        run_bench(bench(protocol, faces, **change), desk=Silent())
    assert not (protocol.parent / "out").exists()


def test_missing_scores_are_said_before_anything_is_trained(protocol: Path, faces: Path) -> None:
    forget = {"kind": "memorised", "share": 0.2, "scores": str(protocol.with_name("scores.json"))}
    protocol.write_text(yaml.safe_dump({**FIELDS, "forget": forget}))
    with pytest.raises(InputError, match=r"benchmarks/memorised\.py"):
        run_bench(bench(protocol, faces), desk=Silent())
    assert not (protocol.parent / "out").exists()
