"""Files of weights: nothing in them runs, faults are named, and the layout they came in is the one they leave in."""

from __future__ import annotations

import argparse
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from expunge.errors import ModelError
from expunge.models.files import holds_weights
from expunge.models.load import load_model
from expunge.models.weights import hash_state
from tests.models.nets import SMALL, SPEC, small_net

Wrap = Any


def prefixed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return OrderedDict((f"module.{name}", value) for name, value in state.items())


LAYOUTS: list[tuple[str, Wrap]] = [
    ("w.safetensors", lambda s: s),
    ("w.pth", lambda s: s),
    ("w.pt", lambda s: {"state_dict": s}),
    ("w.pth", lambda s: {"model": prefixed(s), "epoch": 3, "optimizer": {"lr": 0.1}}),
    ("w.pt", prefixed),
]


def test_a_directory_without_its_weights_holds_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert not holds_weights(tmp_path) and not holds_weights(tmp_path / "w.pth")
    (tmp_path / "w.pth").touch()
    assert holds_weights(tmp_path) and holds_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(("name", "wrap"), LAYOUTS)
def test_weights_go_out_in_the_layout_they_came_in(factory: str, tmp_path: Path, name: str, wrap: Wrap) -> None:
    state = small_net().state_dict()
    file = tmp_path / name
    save_file(wrap(state), file, {"by": "me"}) if file.suffix == ".safetensors" else torch.save(wrap(state), file)
    loaded = load_model(factory, spec=SPEC, weights=file, preprocessing=SMALL)
    assert loaded.weights_sha256 == hash_state(state)
    loaded.save(loaded.classifier, tmp_path / "out")
    if file.suffix == ".safetensors":
        with safe_open(tmp_path / "out" / name, "pt") as written:
            assert written.metadata() == {"by": "me"}
    else:
        raw, before = (torch.load(p, weights_only=True) for p in (tmp_path / "out" / name, file))
        raw, before = (
            next((found[k] for k in ("state_dict", "model") if k in found), found) for found in (raw, before)
        )
        assert list(raw) == list(before)
        assert getattr(raw, "_metadata", None) == getattr(before, "_metadata", None)
        assert hash_state(raw) == hash_state(before)
    again = load_model(factory, weights=tmp_path / "out" / name)  # classes and size from the record
    assert again.weights_sha256 == loaded.weights_sha256


def test_half_precision_is_computed_with_in_fp32_and_stays_narrow_on_disk(factory: str, tmp_path: Path) -> None:
    state = {name: value.half() for name, value in small_net().state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    loaded = load_model(factory, spec=SPEC, weights=tmp_path / "w.pth", preprocessing=SMALL)
    model = loaded.fresh(1)  # weights that are no half-precision numbers
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    loaded.save(model, tmp_path / "out")
    written = torch.load(tmp_path / "out/w.pth", weights_only=True)
    assert {value.dtype for value in written.values()} == {torch.float16}


def test_tied_weights_come_back(tmp_path: Path, module: str) -> None:
    with (tmp_path / f"{module}.py").open("a") as file:
        file.write("def tied():\n    net = nn.Sequential(nn.Flatten(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))\n")
        file.write("    net[3].weight = net[1].weight\n    return net\n")
    net = nn.Sequential(nn.Flatten(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    net[3].weight = net[1].weight
    state = net.state_dict()
    torch.save(state, tmp_path / "both.pth")
    save_file({k: v for k, v in state.items() if k != "3.weight"}, tmp_path / "one.safetensors")
    shape = type(SMALL)((1, 1))
    for name in ("both.pth", "one.safetensors"):
        loaded = load_model(f"{module}:tied", spec=SPEC, weights=tmp_path / name, preprocessing=shape)
        loaded.save(loaded.classifier, tmp_path / "out")
        assert loaded.reopen(tmp_path / "out").weights_sha256 == loaded.weights_sha256 == hash_state(state)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(factory: str, saved: Path, tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    for content in ({"a": Malicious(harm)}, {"state_dict": small_net().state_dict(), "a": Malicious(harm)}):
        torch.save(content, tmp_path / "bad.pth")
        with pytest.raises(ModelError, match=r"needs code execution \(posix\.system\)") as caught:
            load_model(factory, spec=SPEC, weights=tmp_path / "bad.pth", preprocessing=SMALL)
        assert "\n" not in str(caught.value)
    (saved / "model.safetensors").unlink()
    (tmp_path / "bad.pth").rename(saved / "pytorch_model.bin")
    with pytest.raises(ModelError, match="needs code execution"):
        load_model(saved)
    assert not harm.exists()
    # the planted fault: the same pickle does run where nobody guards
    torch.load(saved / "pytorch_model.bin", weights_only=False)
    assert harm.exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {**s, "1.bias": torch.full((5,), float("nan"))}, "NaN or infinity in 1.bias"),
        (lambda s: {**s, "1.bias": torch.full((5,), -float("inf"))}, "NaN or infinity in 1.bias"),
        (lambda s: {k: v for k, v in s.items() if k != "3.bias"}, "missing: 3.bias"),
        (lambda s: {**s, "9.bias": torch.zeros(1)}, "unknown: 9.bias"),
        (lambda s: {**s, "3.bias": torch.zeros(4)}, r"3.bias \[4\] for \[3\]"),
        (lambda s: {f"x{i}": torch.zeros(1) for i in range(9)}, "unknown: x0, x1, x2 and 6 more"),
    ],
)
def test_weights_that_do_not_fit_are_named(factory: str, tmp_path: Path, spoil: Wrap, message: str) -> None:
    save_file(spoil(small_net().state_dict()), tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=message):
        load_model(factory, spec=SPEC, weights=tmp_path / "w.safetensors", preprocessing=SMALL)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("torn.safetensors", b"abc", "safetensors file"),
        ("torn.pth", b"abc", r"torn\.pth, damaged"),
        ("none.pth", None, "not there"),
        ("w.h5", b"abc", "ending in .safetensors"),
        ("list.pt", [torch.zeros(1)], "came a list"),
        ("other.pt", {"net": {"a": torch.zeros(1)}, "epoch": 1}, "a dict of epoch, net"),
        ("two.pt", {"model": {"a": torch.zeros(1)}, "state_dict": {"a": torch.zeros(1)}}, "several: state_dict, model"),
        ("args.pt", {"args": argparse.Namespace(lr=1)}, r"argparse\.Namespace"),
        ("empty.pt", {}, "a dict of nothing"),
    ],
)
def test_files_that_hold_no_weights_are_one_line(
    factory: str, tmp_path: Path, name: str, content: object, message: str
) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        torch.save(content, tmp_path / name)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(factory, spec=SPEC, weights=tmp_path / name, preprocessing=SMALL)
    assert "\n" not in str(caught.value)
