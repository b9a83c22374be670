"""Requests in a row: who is asked for when, what each step may learn from, and a course from raw rows to a figure."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from expunge.app.desk import Silent
from expunge.bench import work
from expunge.bench.jobs import Job, Place, done
from expunge.bench.pages import read_table
from expunge.bench.protocol import read_protocol
from expunge.bench.raw import RawFolder
from expunge.bench.run import BenchSettings, place_of, planned, run_bench
from expunge.bench.tasks import BenchTask, bench_task
from expunge.engine.settings import EngineSettings, decide
from expunge.errors import InputError
from expunge.functional.stats import weighted_auroc
from expunge.methods.phases import Edit, Phases
from tests.bench.conftest import FIELDS

FORGET = {"kind": "sequence", "share": 0.1, "requests": 3, "retrained": [1, 3]}
SEQUENCE = {**FIELDS, "forget": FORGET, "seeds": [0], "references": [1, 1]}
SETTINGS = decide(EngineSettings(threads=1, precision="fp32", channels_last="off"))


def made(protocol: Path, faces: Path, **forget: Any) -> BenchTask:
    protocol.write_text(yaml.safe_dump({**SEQUENCE, "forget": {**FORGET, **forget}}))
    found = read_protocol(str(protocol))
    return bench_task(found, found.sizes["cpu"], 0, path=faces / "faces.parquet", cache=protocol.parent)


def run_one(protocol: Path, faces: Path) -> RawFolder:
    """The method `fine` alone, over all requests."""
    protocol.write_text(yaml.safe_dump(SEQUENCE))
    place = Place(faces / "faces.parquet", protocol.parent / "cache", protocol.parent / "out")
    job = Job(str(protocol), "cpu", 0, "sequence", "fine")
    assert not done(job, place)
    work.run_job(job, place, SETTINGS, Silent())
    assert done(job, place)
    return place.raw(0)


def test_each_request_asks_for_new_people_and_nobody_comes_back(protocol: Path, faces: Path) -> None:
    task = made(protocol, faces)
    asked = [set(step.task.forget.subjects.tolist()) for step in task.steps]
    assert len(asked) == 3 and all(asked) and sum(map(len, asked)) == len(set().union(*asked))
    for number, step in enumerate(task.steps, start=1):
        assert not set(step.task.retain.subjects.tolist()) & set().union(*asked[:number])
        assert len(step.task.forget) >= 0.1 * len(task.trained)
    assert set(task.task.forget.ids) == {name for step in task.steps for name in step.task.forget.ids}
    assert task.task.retain.ids.tolist() == task.steps[-1].task.retain.ids.tolist()


@pytest.mark.parametrize(
    ("forget", "said"),
    [
        ({"retrained": [1, 4]}, "numbers from 1 to 3"),
        ({"retrained": [3, 1]}, "in order"),
        ({"retrained": []}, "at least 1"),
        ({"share": None}, "needs share"),
        ({"requests": 0}, "requests"),
    ],
)
def test_sequences_that_are_none_are_refused(protocol: Path, faces: Path, forget: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        made(protocol, faces, **forget)


def test_more_requests_than_people_are_refused(protocol: Path, faces: Path) -> None:
    with pytest.raises(InputError, match="requests that leave someone"):
        made(protocol, faces, requests=30)


def test_a_bench_of_requests_in_a_row_from_pictures_to_figure(protocol: Path, faces: Path) -> None:
    protocol.write_text(yaml.safe_dump(SEQUENCE))
    folder = protocol.parent
    settings = BenchSettings(str(protocol), cache=folder / "cache", out=folder / "out", faces=faces, device="cpu")
    plan, place = planned(settings, read_protocol(str(protocol))), place_of(settings, read_protocol(str(protocol)))
    for job in (job for stage in plan for job in stage):
        work.run_job(job, place, SETTINGS, Silent())
    began = time.time_ns()
    result = run_bench(settings, desk=Silent())
    raw = RawFolder(result.out / "seed-0")
    rows = {f"{row}-request-{n}" for row in ("fine", "neggrad") for n in (1, 2, 3)}
    assert rows | {"original", "untrained", "reference-1-request-1", "reference-1-request-3"} == set(raw.rows())
    table = read_table(result.out)
    assert table is not None and [row.name for row in table.rows] == ["original", "retrained", "fine", "neggrad"]
    assert all(row.cells["erased_3"].value is not None and row.cells["erased_3"].low is not None for row in table.rows)
    assert table.row("retrained").cells["worst_3"].value is None
    courses = json.loads((result.out / "courses.json").read_text())
    assert [point["request"] for point in courses["fine"]] == [1, 2, 3]
    assert [point["request"] for point in courses["retrained"]] == [1, 3]
    assert [len(point["each"]) for point in courses["fine"]] == [1, 2, 3]
    seen, request = raw.observation("fine, request 2"), np.array(raw.task()["requests"])  # type: ignore[index]
    first = -seen["forget"].losses[request == 1]
    others, one = -seen["reporting"].losses, np.ones((1, len(seen["reporting"].ids)))
    oracle = weighted_auroc(first, others, np.ones((1, len(first))), one)[0]
    assert courses["fine"][1]["each"][0] == pytest.approx(oracle)
    assert "<svg" in (result.out / "courses.svg").read_text()
    assert all(path.stat().st_mtime_ns <= began for path in raw.path.iterdir()), "nothing is done twice"


def test_each_request_begins_with_the_model_that_the_one_before_left(
    protocol: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[Any] = []
    made: list[Any] = []
    unlearn = work.unlearn

    def watched(erasure: Any, *others: Any) -> Any:
        began.append(erasure.artefact.classifier)
        found = unlearn(erasure, *others)
        made.append(found[0])
        return found

    monkeypatch.setattr(work, "unlearn", watched)
    raw = run_one(protocol, faces)
    assert len(made) == 3 and all(a is b for a, b in zip(began[1:], made[:-1], strict=True))
    told = [raw.told(f"fine, request {number}") for number in (1, 2, 3)]
    assert len({found["original"] for found in told if found}) == 3


def test_after_a_request_that_failed_there_are_no_more(
    protocol: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []

    def edit(model: object) -> None:
        if len(runs) == 2:
            raise ZeroDivisionError

    def fails(config: object, context: object) -> Phases:
        runs.append(1)
        yield Edit("oops", edit)

    known = work.resolve_method("finetune")
    monkeypatch.setattr(work, "resolve_method", lambda *a: (replace(known[0], phases=fails), known[1]))
    raw = run_one(protocol, faces)
    told = [raw.told(f"fine, request {number}") for number in (1, 2, 3)]
    assert ["failed" in found for found in told if found] == [False, True, True] and len(runs) == 2
