"""`expunge check` on the command line: what it prints, and what its exit code says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from expunge.app import check as use_case
from expunge.cli.main import main
from expunge.evidence.preflight import Cost, Machine
from tests.app.workbench import Workbench


@pytest.fixture(autouse=True)
def unpriced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        use_case, "costs", lambda *_: ((Cost("finetune", 2.0, 4.0, 1000),), Machine("cpu", 1, None, 2.0))
    )


def words(bench: Workbench, *more: str) -> list[str]:
    return ["check", *bench.flags, "--size", "16", "--request", str(bench.request), *more]


def test_one_json_line(bench: Workbench, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(words(bench, "--json"))
    (line,) = capsys.readouterr().out.splitlines()
    answer = json.loads(line)
    # the workbench is small: ten or so people in every set
    assert code == answer["exit"] == 6 and answer["status"] == "done" and answer["verdict"] == "warnings"
    assert {finding["level"] for finding in answer["findings"]} == {"warning"}


def test_people_read_tables_findings_and_a_verdict(bench: Workbench, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(bench)) == 6
    out = capsys.readouterr().out
    assert "mia_auroc" in out and "finetune" in out and "Caution:" in out
    assert out.splitlines()[-1] == "Go, knowing these warnings."


def test_go_without_warnings_is_the_only_zero(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(use_case, "findings", lambda _: ())
    assert main(words(bench, "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["exit"] == 0 and answer["verdict"] == "go" and answer["findings"] == []


def test_stop_has_an_exit_code_of_its_own(bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nine tuning pictures: nothing can be steered by them."""
    import pyarrow.parquet as pq

    table = pq.read_table(bench.faces)
    columns = table.to_pydict()
    at = [i for i, split in enumerate(columns["split"]) if split == "val"]
    keep = [i for i in range(len(columns["split"])) if i not in at[9:]]
    pq.write_table(table.take(keep), tmp_path / "faces.parquet")
    code = main([*words(bench, "--json"), "--data", str(tmp_path / "faces.parquet")])
    answer = json.loads(capsys.readouterr().out)
    assert code == answer["exit"] == 4 and answer["verdict"] == "stop" and answer["findings"][0]["level"] == "stop"
    assert main([*words(bench), "--data", str(tmp_path / "faces.parquet")]) == 4
    assert "Stop:" in capsys.readouterr().out


def test_bad_input_stays_bad_input(bench: Workbench, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words(bench, "--json"), "--forget-subject", "nobody"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["field"] == "subjects" and "nobody" in answer["error"]
