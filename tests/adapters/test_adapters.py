"""Networks of timm and torchvision: heads are found, weights come and go as files, and nothing is downloaded."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from expunge.errors import ModelError
from expunge.models.classifier import Preprocessing
from expunge.models.load import load_model, new_model
from expunge.types import LabelSpec

SPEC = LabelSpec(("age",), (("a", "b", "c"),))
SHAPE = Preprocessing((64, 64))
HEADS = [
    ("torchvision:resnet18", SHAPE, "fc"),
    ("torchvision:densenet121", SHAPE, "classifier"),
    ("torchvision:mobilenet_v3_small", SHAPE, "classifier.3"),
    ("torchvision:googlenet", SHAPE, "fc"),
    ("torchvision:vit_b_16", Preprocessing((224, 224)), "heads.head"),
    ("timm:resnet18", SHAPE, "fc"),
    ("timm:convnext_atto", SHAPE, "head.fc"),
    ("timm:efficientnet_b0", SHAPE, "classifier"),
    ("timm:vit_tiny_patch16_224", Preprocessing((224, 224)), "head"),
]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **how: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize(("name", "shape", "head"), HEADS)
def test_heads_are_found_and_give_features(name: str, shape: Preprocessing, head: str) -> None:
    model = new_model(name, SPEC, shape, seed=0).classifier
    assert model.head_name == head
    with torch.no_grad():
        features, logits = model.features_and_logits(torch.rand(2, 3, *shape.size))
        torch.testing.assert_close(model.head(features), logits)


@pytest.mark.parametrize("name", ["torchvision:mnasnet0_5", "torchvision:mobilenet_v3_small", "timm:resnet10t"])
def test_a_file_of_weights_comes_in_and_goes_out_as_it_was(name: str, tmp_path: Path) -> None:
    made = new_model(name, SPEC, SHAPE, seed=0)
    # as libraries' users save: with module versions, which mnasnet insists on
    torch.save({"state_dict": made.classifier.net.state_dict()}, tmp_path / "w.pth")
    loaded = load_model(name, spec=SPEC, weights=tmp_path / "w.pth", preprocessing=SHAPE)
    assert (loaded.kind, loaded.weights_sha256) == ("factory", made.weights_sha256)
    assert loaded.fresh(0).head_name == made.classifier.head_name
    loaded.save(loaded.fresh(1), tmp_path / "out")
    before, after = (torch.load(d / "w.pth", weights_only=True)["state_dict"] for d in (tmp_path, tmp_path / "out"))
    assert list(before) == list(after) and before._metadata == after._metadata
    assert load_model(name, weights=tmp_path / "out/w.pth").classifier.preprocessing == SHAPE


def test_grey_pictures() -> None:
    grey = Preprocessing((64, 64), (0.5,), (0.5,))
    assert new_model("timm:resnet10t", SPEC, grey, seed=0).classifier(torch.rand(1, 1, 64, 64)).shape == (1, 3)
    with pytest.raises(ModelError, match="3 channels"):
        new_model("torchvision:resnet18", SPEC, grey, seed=0)


@pytest.mark.parametrize(
    "name",
    [
        "torchvision:resnet81",
        "timm:resnet81x",
        "torchvision:fasterrcnn_resnet50_fpn",  # would download its backbone
        "timm:hf-hub:somebody/something",
        "timm:local-dir:/tmp",
    ],
)
def test_what_is_no_classifier_of_the_library_is_refused_and_nothing_downloaded(name: str) -> None:
    with pytest.raises(ModelError, match="near: ") as caught:
        new_model(name, SPEC, SHAPE, seed=0)
    assert "\n" not in str(caught.value)


def test_a_directory_of_timm_weights_in_hugging_face_form(tmp_path: Path) -> None:
    from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

    config = TimmWrapperConfig(architecture="resnet10t", num_labels=3, id2label={0: "a", 1: "b", 2: "c"})
    TimmWrapperForImageClassification(config).save_pretrained(tmp_path / "in")
    processor = {"size": 64, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "in/preprocessor_config.json").write_text(json.dumps(processor))
    loaded = load_model(tmp_path / "in", spec=SPEC)
    loaded.save(loaded.fresh(0), tmp_path / "out")
    assert list(load_file(tmp_path / "in/model.safetensors")) == list(load_file(tmp_path / "out/model.safetensors"))
