"""YAML and JSON of plain values: what is written reads back, and nothing else is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from expunge.app.plainfiles import read_json, read_yaml, to_yaml
from expunge.errors import InputError


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    shared = [1, "2026-01-01", "no", "é"]
    fields: dict[str, Any] = {"b": shared, "a": shared, "c": {"d": None, "e": 0.1, "f": True}}
    path = tmp_path / "job.yaml"
    path.write_text(to_yaml(fields))
    assert read_yaml(path, "job") == fields and list(read_yaml(path, "job")) == ["b", "a", "c"]
    assert "&" not in path.read_text(), "what stands in two places is written twice"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: &x 1\nc: *x\n", "line 3"),
        ("a: 1\na: 1\n", "a mistake in line 1"),
        ("b:\n  a: 1\n  a: 2\n", "a mistake in line 2"),
        ("a: !!binary aGk=\n", "a mistake in line 1"),
        ("a: 2026-02-30\n", "day is out of range"),
    ],
)
def test_other_yaml_is_refused_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(InputError, match=told):
        read_yaml(tmp_path / "job.yaml", "job")


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": 1e999}', "[1,]", "9" * 5000, "[" * 100_000])
def test_other_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(InputError, match="metrics: expected JSON"):
        read_json(tmp_path / "metrics.json", "metrics")
