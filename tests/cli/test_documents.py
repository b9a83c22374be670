"""`expunge report` and `expunge export` from argv to exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from expunge.app.desk import Silent
from expunge.app.erase import erase_files
from expunge.cli.main import main
from tests.app.workbench import Workbench


@pytest.fixture(scope="module")
def run(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return erase_files(bench.erase(tmp_path_factory.mktemp("documents") / "run"), desk=Silent())


def test_a_report_is_written_again(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "again.html"
    assert main(["report", str(run), "--out", str(out), "--threads", "1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["report"] == str(out) and answer["requests"] == [] and answer["attestation"] is None
    assert "person 1" in out.read_text() and "person-0" not in out.read_text()
    assert main(["report", str(run), "--out", str(out), "--threads", "1", "--show-names"]) == 0
    assert capsys.readouterr().out == f"report: {out}\n" and "person-0" in out.read_text()


def test_a_report_asks_the_ledger_of_the_environment(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPUNGE_LEDGER", str(tmp_path / "no.db"))
    assert main(["report", str(run), "--threads", "1"]) == 2
    assert "ledger" in capsys.readouterr().err


def test_an_export_says_how_equal_the_answers_are(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--run", str(run), "--onnx", str(tmp_path / "m.onnx"), "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "equal answers (largest difference" in said and str(run / "handoff.html") in said
    assert (tmp_path / "m.onnx").stat().st_size > 0


def test_a_place_that_cannot_be_written_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert main(["export", "--run", str(run), "--onnx", str(tmp_path / "file" / "m.onnx")]) == 2
    assert main(["report", str(run), "--out", str(tmp_path / "file" / "r.html"), "--threads", "1"]) == 2
