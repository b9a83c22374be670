"""The demo: the whole story in one call, continued where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from expunge.app import demo as demo_module
from expunge.app.demo import DemoSettings, demo
from expunge.app.desk import Silent
from expunge.app.runs import load_run
from expunge.errors import InputError, RunDirectoryError


def small(out: Path, **more: Any) -> DemoSettings:
    return DemoSettings(
        out, references=1, subjects=24, pictures=4, size=16, epochs=1, arch="resnet10-quarter", share=0.2, **more
    )


def test_the_whole_story_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "demo"

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(demo_module, "erase_files", stop)
        with pytest.raises(KeyboardInterrupt):
            demo(small(out), desk=Silent())
    trained = (out / "original" / "events.jsonl").stat().st_mtime_ns
    run = load_run(demo(small(out), desk=Silent()))
    assert (out / "original" / "events.jsonl").stat().st_mtime_ns == trained
    assert sorted(path.name for path in out.iterdir()) == [
        "erased",
        "faces.parquet",
        "original",
        "reference-1",
        "request.csv",
    ]
    assert run.metrics["method"] == "dlfd"
    assert len(run.metrics["references"]) == 1
    assert run.report is not None
    assert demo(small(out), desk=Silent()) == run.path
    with pytest.raises(RunDirectoryError):
        demo(small(out, seed=1), desk=Silent())


def test_it_keeps_out_of_other_directories(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(RunDirectoryError, match="other files"):
        demo(small(tmp_path), desk=Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_it_needs_a_sensible_number_of_references(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--references"):
        demo(DemoSettings(tmp_path / "demo", references=-1), desk=Silent())
    assert list(tmp_path.iterdir()) == []
