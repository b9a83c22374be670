"""What tests of models share: small networks, a saved model directory, and a factory in a module of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from expunge.models.load import new_model
from tests.models.nets import SHAPE, SPEC

FACTORY = """
import random
from torch import nn
def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5), nn.ReLU(), nn.Linear(5, 3))
def drawn():
    net = make()
    net[1].bias.data.fill_(random.random())
    return net
def wrong():
    return 7
def broken():
    raise RuntimeError("two\\nlines")
"""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A bundled network as a model directory."""
    made = new_model("resnet10-eighth", SPEC, SHAPE, seed=0)
    made.save(made.classifier, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a module of factories in the current directory."""
    name = f"factory_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def factory(module: str) -> str:
    """A factory of a network of 8x8 pictures and three classes."""
    return f"{module}:make"
