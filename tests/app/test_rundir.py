"""Run directories: finished means complete, dead means visibly partial, and nobody shares."""

from __future__ import annotations

import errno
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expunge.app.rundir import check_out, disk_errors, finished, open_run, partial_of, same_job, write_whole
from expunge.errors import InputError, Interrupted, RunDirectoryError

JOB: dict[str, Any] = {"kind": "erase", "seed": 1, "method": {"name": "dlfd", "set": {"lr": 0.1}}, "frozen": {"a": "b"}}


def start(out: Path) -> None:
    """A run that was interrupted after a checkpoint."""

    def stopped() -> None:
        with open_run(out, JOB, resume=False) as run:
            run.checkpoints.mkdir()
            (run.checkpoints / "state.pt").write_bytes(b"x")
            raise Interrupted("stop")

    with pytest.raises(Interrupted):
        stopped()


def test_a_finished_run_appears_in_one_step(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    with open_run(check_out(out, resume=False), JOB, resume=False) as run:
        run.write_json("metrics.json", {"b": 1, "a": [0.5]})
        run.checkpoints.mkdir()
        assert not out.exists()
        assert run.finish() == out
    assert sorted(path.name for path in out.iterdir()) == ["job.yaml", "metrics.json"]
    assert json.loads((out / "metrics.json").read_text()) == {"a": [0.5], "b": 1}
    assert not partial_of(out).exists()
    assert finished(out, {**JOB, "frozen": None})


def test_an_empty_directory_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with open_run(check_out(tmp_path / "run", resume=False), JOB, resume=False) as run:
        run.finish()
    assert (tmp_path / "run" / "job.yaml").exists()


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    for name in ("file", "full"):
        for resume in (False, True):
            with pytest.raises(RunDirectoryError, match="other files"):
                check_out(tmp_path / name, resume=resume)
    start(tmp_path / "dead")
    with pytest.raises(RunDirectoryError, match="--resume, or delete"):
        check_out(tmp_path / "dead", resume=False)
    with open_run(tmp_path / "done", JOB, resume=False) as run:
        run.finish()
    with pytest.raises(RunDirectoryError, match="a finished run"):
        check_out(tmp_path / "done", resume=False)
    with pytest.raises(RunDirectoryError, match="came nothing"):
        check_out(None, resume=False)


def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    start(out)
    assert not out.exists()
    with open_run(check_out(out, resume=True), JOB, resume=True) as run:
        assert run.resumed
        assert run.has_progress
        run.finish()
    assert not (out / "checkpoints").exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seed": 2}, "seed"),
        ({"method": {"name": "dlfd", "set": {"lr": 0.2}}}, "method.set.lr"),
        ({"method": {"name": "dlfd", "set": {}}}, "method.set.lr"),
        ({"frozen": {"a": "c"}}, "frozen.a"),
        ({"extra": 1}, "extra"),
    ],
)
def test_another_configuration_is_refused(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    start(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    with (
        pytest.raises(RunDirectoryError) as caught,
        open_run(tmp_path / "run", {**JOB, **change}, resume=True),
    ):
        pass
    assert caught.value.field == field
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_change_a_result_may_differ() -> None:
    stored = {"engine": {"checkpoint_seconds": 1}, "data": {"cache": "a"}}
    same_job(stored, {"engine": {"checkpoint_seconds": 2}, "data": {}})


def test_bad_input_found_late_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError), open_run(tmp_path / "run", JOB, resume=False):
        raise InputError("lr", expected="less", came="more")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_or_a_bug_leaves_the_partial_run(tmp_path: Path) -> None:
    for number, error in enumerate((Interrupted("stop"), ValueError("bug"))):
        with pytest.raises(type(error)), open_run(tmp_path / str(number), JOB, resume=False):
            raise error
        assert (tmp_path / f"{number}.partial" / "job.yaml").exists()


class Reworded(Exception):
    """Some libraries hide the error number in a text."""


def full_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def full_disk_in_words() -> None:
    raise Reworded("I/O error: No space left on device (os error 28)")


def full_disk_as_cause() -> None:
    try:
        full_disk()
    except OSError as error:
        raise RuntimeError("unexpected pos 64 vs 0") from error


@pytest.mark.parametrize("fill", [full_disk, full_disk_in_words, full_disk_as_cause])
def test_a_full_disk_is_one_line_and_nothing_looks_finished(tmp_path: Path, fill: Callable[[], None]) -> None:
    def filled() -> None:
        with open_run(tmp_path / "run", JOB, resume=False) as run:
            (run.work / "model").mkdir()
            fill()

    with pytest.raises(RunDirectoryError, match="came a full disk") as caught:
        filled()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_what_can_be_resumed(tmp_path: Path) -> None:
    start(tmp_path / "run")
    with pytest.raises(RunDirectoryError), open_run(tmp_path / "run", JOB, resume=True):
        full_disk()
    assert (tmp_path / "run.partial" / "checkpoints" / "state.pt").exists()


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), disk_errors(tmp_path):
        raise ZeroDivisionError


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a", "old")
    monkeypatch.setattr("os.fsync", lambda _: full_disk())
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"


def _hold(out: Path, ready: Any, done: Any) -> None:
    with open_run(out, JOB, resume=False) as run:
        ready.set()
        done.wait(20)
        run.finish()


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "run", ready, done))
    other.start()
    try:
        assert ready.wait(20)
        with pytest.raises(RunDirectoryError, match="in use"), open_run(tmp_path / "run", JOB, resume=True):
            pass
    finally:
        done.set()
        other.join(20)
    assert (tmp_path / "run" / "job.yaml").exists()
