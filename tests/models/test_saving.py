"""Every save is read back and compared; each comparison fails on the fault it is there for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from expunge.errors import ModelError
from expunge.models.load import load_model, wrap_module
from expunge.models.saving import check_saved
from expunge.models.weights import state_bytes_hash
from expunge.types import TrainRecipe
from tests.models.nets import SMALL, SPEC, small_net

Fault = Callable[[Path], None]


def edited(name: str, **change: object) -> Fault:
    def fault(place: Path) -> None:
        (place / name).write_text(json.dumps(json.loads((place / name).read_text()) | change))

    return fault


def tensors(change: Callable[[torch.Tensor], torch.Tensor]) -> Fault:
    def fault(place: Path) -> None:
        state = load_file(place / "model.safetensors")
        state["classifier.1.bias"] = change(state["classifier.1.bias"])
        save_file(state, place / "model.safetensors")

    return fault


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (tensors(lambda bias: bias + 1), r"other values in .*: classifier\.1\.bias"),
        (tensors(lambda bias: bias.half()), r"names, shapes and types .*: classifier\.1\.bias"),
        (tensors(lambda bias: bias[:2].clone()), r"names, shapes and types .*: classifier\.1\.bias"),
        (edited("preprocessor_config.json", resample=3), r"preprocessor_config\.json as it was loaded"),
        (edited("config.json", hidden_act="silu"), r"config\.json as it was loaded"),
        (edited("expunge.json", head="classifier"), r"head_name classifier\.1"),
        (edited("expunge.json", preprocessing={"size": [32, 32], "mean": [0] * 3, "std": [1] * 3}), "preprocessing"),
        (lambda place: (place / "expunge.json").unlink(), r"expunge\.json in"),
    ],
)
def test_planted_faults_are_found(saved: Path, tmp_path: Path, fault: Fault, message: str) -> None:
    loaded = load_model(saved)
    loaded.save(loaded.classifier, tmp_path / "out")
    check_saved(loaded.classifier, loaded.form, tmp_path / "out")
    fault(tmp_path / "out")
    with pytest.raises(ModelError, match=message):
        check_saved(loaded.classifier, loaded.form, tmp_path / "out")


def test_the_same_weights_under_another_configuration_are_noticed_by_their_answers(saved: Path, tmp_path: Path) -> None:
    loaded = load_model(saved)
    edited("config.json", hidden_act="silu")(saved)
    other = load_model(saved)
    assert other.weights_sha256 == loaded.weights_sha256
    other.save(other.classifier, tmp_path / "out")
    with pytest.raises(ModelError, match="answers identical"):
        check_saved(loaded.classifier, other.form, tmp_path / "out")


def test_a_model_saves_even_where_its_source_is_gone(saved: Path, tmp_path: Path) -> None:
    loaded = load_model(saved)
    config = (saved / "config.json").read_bytes()
    for file in saved.iterdir():
        file.unlink()
    loaded.save(loaded.classifier, tmp_path / "out")
    assert (tmp_path / "out/config.json").read_bytes() == config


def test_the_model_that_was_loaded_is_never_written_over(saved: Path, factory: str, tmp_path: Path) -> None:
    loaded = load_model(saved)
    with pytest.raises(ModelError, match="another directory"):
        loaded.save(loaded.classifier, saved / "." / "../model")
    torch.save(small_net().state_dict(), tmp_path / "w.pth")
    made = load_model(factory, spec=SPEC, weights=tmp_path / "w.pth", preprocessing=SMALL)
    with pytest.raises(ModelError, match="another directory"):
        made.save(made.classifier, tmp_path)


def test_saving_changes_nothing_in_memory_whatever_layout_mode_or_precision_is_on(saved: Path, tmp_path: Path) -> None:
    loaded = load_model(saved)
    model = loaded.classifier.train().to(memory_format=torch.channels_last)
    before, random = state_bytes_hash(model), torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16):
        loaded.save(model, tmp_path / "out")
    assert state_bytes_hash(model) == before and model.training
    assert model.net.get_submodule("resnet.embedder.embedder.convolution").weight.is_contiguous(
        memory_format=torch.channels_last
    )
    assert torch.equal(torch.get_rng_state(), random)


def test_the_recipe_travels_with_the_model(saved: Path, tmp_path: Path) -> None:
    recipe = TrainRecipe(epochs=2.5, seed=9)
    loaded = replace(load_model(saved), recipe=recipe)
    loaded.save(loaded.classifier, tmp_path / "out")
    assert load_model(tmp_path / "out").recipe == recipe


def test_weights_that_became_nan_are_not_saved(tmp_path: Path) -> None:
    made = wrap_module(small_net(), SPEC, SMALL)
    made.classifier.head.bias.data[0] = torch.nan  # type: ignore[union-attr, operator]
    with pytest.raises(ModelError, match=r"NaN or infinity in 3\.bias"):
        made.save(made.classifier, tmp_path / "out")
