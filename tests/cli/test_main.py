"""The command line from argv to exit code: answers on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from expunge.app.desk import ProgressReport
from expunge.app.plainfiles import to_yaml
from expunge.app.rundir import RunDirectory
from expunge.app.runs import load_run
from expunge.cli import commands
from expunge.cli.main import main
from expunge.cli.terminal import Terminal
from tests.app.workbench import Workbench, listing

FINETUNE = ["--method", "finetune", "--set", "epochs=1", "--set", "batch_size=16", "--precision", "fp32"]


def erase(bench: Workbench, out: Path, *more: str) -> list[str]:
    model = ["--model", str(bench.original), "--request", str(bench.request)]
    return ["erase", *bench.flags, *model, *FINETUNE, "--out", str(out), *more]


def answered(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last line of stdout, which must be the only one."""
    (line,) = capsys.readouterr().out.splitlines()
    return dict(json.loads(line))


def test_erase_prints_table_and_report(bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(erase(bench, tmp_path / "run", "--reference", str(bench.reference))) == 0
    out, err = capsys.readouterr()
    for text in ("before", "after", "reference", "accuracy", "mia_auroc", "forget-vs-reporting"):
        assert text in out
    assert f"report: {tmp_path / 'run' / 'report.html'}" in out
    assert "reading pictures" in err and "reading pictures" not in out


def test_the_verdict_is_said_with_its_reasons(
    bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(erase(bench, tmp_path / "run", "--reference", str(bench.reference))) == 0
    finished = load_run(tmp_path / "run")
    found = finished.metrics["audit"]["verdict"]
    told = capsys.readouterr().out
    assert f"verdict: {found['overall']}" in told and all(reason in told for reason in found["reasons"])
    assert finished.summary()["verdict"] == {"after": found["overall"]}
    model = ["--model", str(tmp_path / "run"), "--request", str(bench.request), "--out", str(tmp_path / "audit")]
    assert main(["audit", *bench.flags, *model]) == 0
    assert "verdict on run: not assessable" in capsys.readouterr().out


def test_json_is_one_line_and_flags_override_a_job(
    bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {
        "kind": "erase",
        "data": bench.data,
        "model": {"path": "nowhere"},
        "request": {"file": str(bench.request)},
        "method": {"name": "finetune", "set": {"epochs": 1, "batch_size": 16, "lr": 0.5}},
        "engine": {"threads": 1, "precision": "fp32"},
    }
    (tmp_path / "job.yaml").write_text(to_yaml(fields))
    more = ["--model", str(bench.original), "--set", "lr=0.1", "--out", str(tmp_path / "run")]
    assert main(["erase", "--job", str(tmp_path / "job.yaml"), *more, "--json"]) == 0
    answer = answered(capsys)
    assert answer["status"] == "done" and answer["exit"] == 0
    assert Path(answer["report"]).exists() and Path(answer["model"]).is_dir()
    assert {row["name"] for row in answer["rows"]} >= {"accuracy", "mia_auroc"}
    # the frozen job of a run is a job: run again, it gives the same weights
    again = ["erase", "--job", str(tmp_path / "run" / "job.yaml"), "--out", str(tmp_path / "again"), "--json"]
    assert main(again) == 0
    assert answered(capsys)["weights"] == answer["weights"]


def test_train_and_audit(bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ["train", *bench.flags, "--size", "16", "--arch", "resnet10-quarter", "--epochs", "1"]
    assert main([*train, "--without", str(bench.request), "--seed", "102", "--out", str(tmp_path / "b")]) == 0
    assert "accuracy, reporting" in capsys.readouterr().out
    audit = ["audit", *bench.flags, "--model", str(bench.original), "--request", str(bench.request)]
    references = ["--reference", str(bench.reference), "--reference", str(tmp_path / "b")]
    assert main([*audit, *references, "--out", str(tmp_path / "audit"), "--json"]) == 0
    assert all(row["reference"] is not None for row in answered(capsys)["rows"])


def test_people_are_drawn_and_erased_by_flag(
    bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "request.csv"
    data = [flag for flag in bench.flags if flag not in ("--threads", "1")]
    assert main(["draw-request", *data, "--share", "0.3", "--seed", "4", "--out", str(out), "--json"]) == 0
    drawn = answered(capsys)
    names = out.read_text().split()
    assert names[0] == "subject" and len(names) == drawn["subjects"] + 1
    assert main(["draw-request", *data, "--out", str(out)]) == 2
    who = [word for name in names[1:3] for word in ("--forget-subject", name)]
    command = ["erase", *bench.flags, "--model", str(bench.original), *who, *FINETUNE, "--out", str(tmp_path / "run")]
    capsys.readouterr()
    assert main([*command, "--json"]) == 0
    assert answered(capsys)["pictures"]["forget"] == 8


@pytest.mark.parametrize("command", ["methods", "audits"])
def test_catalogs(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--json"]) == 0
    items = answered(capsys)["items"]
    assert all(item["name"] and item.get("source") is not None for item in items)
    assert main([command]) == 0
    text = capsys.readouterr().out
    assert all(item["name"] in text for item in items)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in commands.COMMANDS)
    assert main(["erase", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--forget-subject" in text and "--recipe-lr" in text


def test_a_bug_is_called_one(
    bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(RunDirectory, "write_json", broken)
    assert main(erase(bench, tmp_path / "a")) == 1
    err = capsys.readouterr().err
    assert "this is a bug in expunge: ZeroDivisionError: oops" in err and "Traceback" not in err
    assert main(erase(bench, tmp_path / "b", "--debug", "--json")) == 1
    out, err = capsys.readouterr()
    assert "Traceback" in err and json.loads(out)["status"] == "error"


def test_an_interruption_can_be_resumed(
    bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: Terminal, report: ProgressReport) -> None:
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Terminal, "progress", stop)
        assert main(erase(bench, tmp_path / "run", "--json")) == 3
    answer = answered(capsys)
    assert answer["status"] == "interrupted" and answer["exit"] == 3 and "--resume" in answer["interrupted"]
    assert main(erase(bench, tmp_path / "run", "--json")) == 2, "an unfinished run is in the way"
    assert "--resume" in answered(capsys)["error"]
    assert main(erase(bench, tmp_path / "run", "--resume", "--json")) == 0
    assert answered(capsys)["status"] == "done"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_outside_the_engine(
    bench: Workbench,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    monkeypatch.setattr(Terminal, "stage", lambda *_: signal.raise_signal(number))
    # a shell begins what runs in its background with interrupts ignored
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(erase(bench, tmp_path / "run")) == 3
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert "interrupted" in capsys.readouterr().err
    assert listing(tmp_path) == {}


def test_as_a_module_in_a_process_of_its_own(bench: Workbench, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "expunge", *erase(bench, tmp_path / "run", "--json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done"
    assert len(done.stdout.splitlines()) == 1
