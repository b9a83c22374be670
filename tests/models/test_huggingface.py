"""Hugging Face directories: what transformers saved loads, and what expunge saves, transformers loads."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoModelForImageClassification

from expunge.errors import ModelError
from expunge.models.load import load_model
from expunge.models.weights import hash_state, state_bytes_hash
from tests.models.nets import FAMILIES, SHAPE, SPEC, tiny

MEAN = [0.485, 0.456, 0.406]


def exported(family: str, directory: Path, *, dtype: torch.dtype = torch.float32, **how: Any) -> Path:
    """A model directory as transformers writes it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = AutoModelForImageClassification.from_config(tiny(family), dtype=dtype)
    net.save_pretrained(directory, **how)
    processor = {"size": {"height": 32, "width": 32}, "image_mean": MEAN, "image_std": [0.2, 0.2, 0.2]}
    (directory / "preprocessor_config.json").write_text(json.dumps(processor, indent=3))
    return directory


@pytest.mark.parametrize("family", FAMILIES)
def test_families_come_in_and_go_out_as_drop_ins(family: str, tmp_path: Path) -> None:
    place = exported(family, tmp_path / "in")
    loaded = load_model(place)
    assert loaded.classifier.spec.classes == (("a", "b", "c"),)
    assert loaded.classifier.preprocessing.mean == tuple(MEAN)
    fresh = loaded.fresh(3)
    loaded.save(fresh, tmp_path / "out")
    for name in ("config.json", "preprocessor_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (place / name).read_bytes()
    before, after = (load_file(d / "model.safetensors") for d in (place, tmp_path / "out"))
    assert {k: (v.shape, v.dtype) for k, v in before.items()} == {k: (v.shape, v.dtype) for k, v in after.items()}
    net = AutoModelForImageClassification.from_pretrained(tmp_path / "out", local_files_only=True)
    assert state_bytes_hash(net) == state_bytes_hash(fresh) != loaded.weights_sha256
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():  # weights are the same to the bit; where tensors lie in memory may change the last digit
        torch.testing.assert_close(net((x - fresh.mean) / fresh.std).logits, fresh.eval()(x))


def test_what_a_bundled_model_saves_is_an_ordinary_directory(saved: Path) -> None:
    net = AutoModelForImageClassification.from_pretrained(saved, local_files_only=True)
    assert state_bytes_hash(net) == load_model(saved).weights_sha256
    assert net.config.id2label == {0: "a", 1: "b", 2: "c"}
    made = AutoImageProcessor.from_pretrained(saved, local_files_only=True)
    x = torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8)
    pixels = made(x.numpy(), return_tensors="pt", input_data_format="channels_last")["pixel_values"]
    ours = (x.permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
    torch.testing.assert_close(pixels, ours)


def test_shards_and_pickles_and_half_precision_go_out_as_they_came(tmp_path: Path) -> None:
    place = exported("vit", tmp_path / "in", dtype=torch.float16, max_shard_size="4KB")
    shards = {p.name for p in place.glob("*.safetensors")}
    assert len(shards) > 1
    loaded = load_model(place)
    assert {p.dtype for p in loaded.classifier.parameters()} == {torch.float32}
    loaded.save(loaded.fresh(1), tmp_path / "out")
    for name in shards:
        a, b = load_file(place / name), load_file(tmp_path / "out" / name)
        assert {k: (v.shape, v.dtype) for k, v in a.items()} == {k: (v.shape, v.dtype) for k, v in b.items()}
    assert load_model(tmp_path / "out").classifier.spec == loaded.classifier.spec

    single = exported("resnet", tmp_path / "pickled")
    torch.save(load_file(single / "model.safetensors"), single / "pytorch_model.bin")
    (single / "model.safetensors").unlink()
    pickled = load_model(single)
    pickled.save(pickled.classifier, tmp_path / "bin")
    assert {p.name for p in (tmp_path / "bin").iterdir()} == {p.name for p in single.iterdir()} | {"expunge.json"}


def test_old_files_without_step_counts_and_with_unused_tensors_keep_their_keys(tmp_path: Path) -> None:
    for family, edit in (
        ("resnet", lambda s: {k: v for k, v in s.items() if not k.endswith("num_batches_tracked")}),
        ("swin", lambda s: {**s, "swin.encoder.layers.0.blocks.0.attention.self.relative_position_index": INDEX}),
    ):
        file = exported(family, tmp_path / family) / "model.safetensors"
        save_file(edit(load_file(file)), file, {"format": "pt"})
        loaded = load_model(tmp_path / family)
        loaded.save(loaded.classifier, tmp_path / f"{family}-out")
        assert hash_state(load_file(tmp_path / f"{family}-out/model.safetensors")) == hash_state(load_file(file))


INDEX = torch.arange(256).view(16, 16)


def test_names_that_would_not_be_written_back_are_refused_at_once(tmp_path: Path) -> None:
    """Transformers reads a base model's names without their prefix, but would write others: no replacement."""
    file = exported("resnet", tmp_path) / "model.safetensors"
    save_file({k.removeprefix("resnet."): v for k, v in load_file(file).items()}, file, {"format": "pt"})
    with pytest.raises(ModelError, match=r"transformers writes .* others: resnet\.embedder"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {**s, "classifier.bias": torch.full((3,), float("nan"))}, "NaN or infinity in classifier.bias"),
        (lambda s: {k: v for k, v in s.items() if k != "classifier.bias"}, "missing: classifier.bias"),
        (lambda s: {**s, "vit.more": torch.zeros(1)}, "unknown: vit.more"),
        (lambda s: {**s, "classifier.weight": torch.zeros(4, 16)}, r"classifier.weight \[4, 16\] for \[3, 16\]"),
    ],
)
def test_weights_of_another_architecture_are_named(tmp_path: Path, spoil: Any, message: str, capfd: Any) -> None:
    file = exported("vit", tmp_path) / "model.safetensors"
    capfd.readouterr()
    save_file(spoil(load_file(file)), file)
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path)
    assert capfd.readouterr().err == ""  # transformers' own tables are not shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "brings code"),
        ({"quantization_config": {"bits": 8}}, "quantised"),
        ({"model_type": "bert"}, "came a bert"),
        ({"model_type": "no-such"}, "config.json that transformers reads"),
        ({"hidden_sizes": [8]}, "resnet"),
    ],
)
def test_configurations_that_are_refused(saved: Path, change: dict[str, Any], message: str) -> None:
    config = json.loads((saved / "config.json").read_text()) | change
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message) as caught:
        load_model(saved)
    assert "\n" not in str(caught.value)


def test_directories_that_lack_something_say_what(saved: Path) -> None:
    (saved / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="adapter"):
        load_model(saved)
    (saved / "adapter_config.json").unlink()
    (saved / "expunge.json").write_text("[]")
    with pytest.raises(ModelError, match=r"expunge\.json"):
        load_model(saved)
    (saved / "expunge.json").unlink()
    (saved / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"preprocessor_config\.json.*state size, mean and std"):
        load_model(saved)
    (saved / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load_model(saved, preprocessing=SHAPE)
    (saved / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json"):
        load_model(saved, preprocessing=SHAPE)


def test_an_index_that_points_elsewhere_is_refused(saved: Path) -> None:
    (saved / "model.safetensors").rename(saved.parent / "outside.safetensors")
    for place in ("../outside.safetensors", str(saved.parent / "outside.safetensors"), "..", "", 7):
        (saved / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": place}}))
        with pytest.raises(ModelError, match="files of the same directory"):
            load_model(saved)


def test_nothing_is_asked_of_the_network(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **how: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded = load_model(saved, spec=SPEC)
    loaded.save(loaded.fresh(0), saved.parent / "out")
