"""The flags of `expunge bench`, and what a mistake in them looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from expunge.bench.run import BenchResult, BenchSettings
from expunge.cli import bench
from expunge.cli.main import main


def test_flags_become_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[BenchSettings] = []

    def fake(settings: BenchSettings, *, desk: object) -> BenchResult:
        asked.append(settings)
        (tmp_path / "table.md").write_text("| a |\n")
        return BenchResult(tmp_path, (tmp_path / "table.md",))

    monkeypatch.setattr(bench, "run_bench", fake)
    monkeypatch.setenv("EXPUNGE_FACES", "/faces")
    words = "bench mufac-age --seeds 0,2-3 --method dlfd --method finetune --jobs 2 --retry --out o --size paper"
    assert main(words.split()) == 0
    assert asked == [
        BenchSettings(
            "mufac-age",
            size="paper",
            seeds=(0, 2, 3),
            methods=("dlfd", "finetune"),
            jobs=2,
            retry=True,
            faces=Path("/faces"),
            out=Path("o"),
        )
    ]
    assert capsys.readouterr().out == "| a |\n\n"
    assert main(["bench", "mufac-age", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"] == [str(tmp_path / "table.md")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nothing", "protocol: expected one of ferplus-emotion"),
        ("mufac-age --seeds x", "--seeds: expected numbers such as 0,2 or ranges such as 0-4, came x"),
        ("mufac-age --seeds 0-999999", "--seeds: expected numbers"),
        (
            "mufac-age --size huge",
            "--size: expected one of cpu, paper, paper-head, paper-efficientnet, paper-densenet, came 'huge'",
        ),
        ("mufac-age --method magic", "--method: expected one of finetune"),
        ("mufac-age --jobs 0", "--jobs: expected a number from 1 to 256, came 0"),
        ("mufac-age --faces nowhere", "--data: expected the pictures of mufac-age, came nowhere/mufac.parquet"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *words.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
