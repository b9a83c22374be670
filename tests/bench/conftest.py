"""A protocol small enough for a test: invented faces, a narrow network, one epoch."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from expunge.data.synthetic import write_parquet

FIELDS = {
    "title": "Invented faces",
    "data": {"file": "faces.parquet", "labels": ["age_group"], "subject": "subject"},
    "forget": {"kind": "people", "share": 0.2},
    "seeds": [0, 1],
    "references": [2, 1],
    "sizes": {"cpu": {"side": 16, "arch": "resnet10-eighth", "epochs": 1, "batch_size": 16}},
    "methods": [{"method": "finetune", "set": {"epochs": 1.0, "batch_size": 16}, "label": "fine"}, "neggrad"],
}


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with faces.parquet."""
    folder = tmp_path_factory.mktemp("faces")
    write_parquet(folder / "faces.parquet", subjects=24, pictures_per_subject=4, size=16)
    return folder


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    """A protocol file; tests may write it anew."""
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(FIELDS))
    return path
