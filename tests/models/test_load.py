"""Models come in safely, say what is wrong in one line, and go out as what they were."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForImageClassification, ConvNextConfig, EfficientNetConfig, ViTConfig

from expunge.errors import ModelError, Unavailable
from expunge.models.artefact import check_same
from expunge.models.classifier import PixelClassifier, Preprocessing, find_head
from expunge.models.load import load_model, new_model, wrap_module
from expunge.models.weights import hash_state
from expunge.types import LabelSpec

SPEC = LabelSpec(("age",), (("a", "b", "c"),))
TWO = LabelSpec(("age", "gender"), (("a", "b", "c"), ("F", "M")))
SHAPE = Preprocessing((32, 32))

FACTORY = """
from torch import nn
def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5), nn.ReLU(), nn.Linear(5, 3))
def wrong():
    return 7
"""


@pytest.fixture()
def saved(tmp_path: Path) -> Path:
    made = new_model("resnet10-quarter", SPEC, SHAPE, seed=0)
    made.save(made.classifier, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture()
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"factory_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield f"{name}:make"
    sys.modules.pop(name, None)


def small_net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5), nn.ReLU(), nn.Linear(5, 3))


@pytest.mark.parametrize("spec", [SPEC, TWO])
def test_a_bundled_model_comes_back_as_it_was_saved(tmp_path: Path, spec: LabelSpec) -> None:
    made = new_model("resnet10-quarter", spec, SHAPE, seed=0)
    made.save(made.classifier, tmp_path)
    again = load_model(tmp_path)
    assert again.classifier.spec == spec
    assert again.weights_sha256 == made.weights_sha256
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(again.classifier(x), made.classifier(x))


def test_what_is_saved_is_an_ordinary_hugging_face_model(saved: Path) -> None:
    net = AutoModelForImageClassification.from_pretrained(saved, local_files_only=True)
    ours = load_model(saved).classifier.net
    assert hash_state(net.state_dict()) == hash_state(ours.state_dict())
    assert net.config.id2label == {0: "a", 1: "b", 2: "c"}


def test_saving_again_keeps_config_and_preprocessing_byte_for_byte(saved: Path, tmp_path: Path) -> None:
    config = json.loads((saved / "config.json").read_text()) | {"a_users_own_field": 1}
    (saved / "config.json").write_text(json.dumps(config))
    loaded = load_model(saved)
    loaded.save(loaded.classifier, tmp_path / "out")
    for name in ("config.json", "preprocessor_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (saved / name).read_bytes()
    before, after = (load_file(d / "model.safetensors") for d in (saved, tmp_path / "out"))
    assert hash_state(before) == hash_state(after)


def test_a_save_that_differs_is_noticed(saved: Path) -> None:
    """The planted fault: other weights, other preprocessing."""
    loaded = load_model(saved)
    other = new_model("resnet10-quarter", SPEC, SHAPE, seed=1).classifier
    with pytest.raises(ModelError, match="same weights"):
        check_same(loaded.classifier, other, saved)
    other = new_model("resnet10-quarter", SPEC, Preprocessing((16, 16)), seed=1).classifier
    with pytest.raises(ModelError, match="16"):
        check_same(loaded.classifier, other, saved)


def test_fresh_models_follow_the_seed_and_leave_the_global_state_alone(saved: Path) -> None:
    loaded = load_model(saved)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, same, other = (hash_state(loaded.fresh(s).state_dict()) for s in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert first == same != other


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".wrapped.pt"])
def test_a_factory_with_weights_goes_out_in_the_format_it_came_in(factory: str, tmp_path: Path, suffix: str) -> None:
    state = small_net().state_dict()
    file = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save({"state_dict": state} if "wrapped" in suffix else state, file)
    loaded = load_model(factory, spec=SPEC, weights=file, preprocessing=Preprocessing((8, 8)))
    assert loaded.weights_sha256 == hash_state(state)
    loaded.save(loaded.classifier, tmp_path / "out")
    if suffix != ".safetensors":
        raw = torch.load(tmp_path / "out" / file.name, weights_only=True)
        assert set(raw) == ({"state_dict"} if "wrapped" in suffix else set(state))
    again = load_model(factory, weights=tmp_path / "out" / file.name)  # classes and size from the record
    assert again.weights_sha256 == loaded.weights_sha256


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(factory: str, tmp_path: Path) -> None:
    torch.save({"a": Malicious(tmp_path / "harm")}, tmp_path / "bad.pth")
    with pytest.raises(ModelError, match="code execution"):
        load_model(factory, spec=SPEC, weights=tmp_path / "bad.pth", preprocessing=Preprocessing((8, 8)))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {**s, "1.bias": torch.full((5,), float("nan"))}, "NaN or infinity in 1.bias"),
        (lambda s: {k: v for k, v in s.items() if k != "3.bias"}, "missing: 3.bias"),
        (lambda s: {**s, "9.bias": torch.zeros(1)}, "unknown: 9.bias"),
        (lambda s: {**s, "3.bias": torch.zeros(4)}, r"3.bias \[4\] for \[3\]"),
    ],
)
def test_weights_that_do_not_fit_are_named(factory: str, tmp_path: Path, spoil: object, message: str) -> None:
    save_file(spoil(small_net().state_dict()), tmp_path / "w.safetensors")  # type: ignore[operator]
    with pytest.raises(ModelError, match=message):
        load_model(factory, spec=SPEC, weights=tmp_path / "w.safetensors", preprocessing=Preprocessing((8, 8)))


def test_bad_places_and_files_are_one_line(factory: str, tmp_path: Path, saved: Path) -> None:
    shape = Preprocessing((8, 8))
    (tmp_path / "torn.safetensors").write_bytes(b"abc")
    (tmp_path / "torn.pth").write_bytes(b"abc")
    cases = [
        (lambda: load_model(tmp_path / "nowhere"), "not there"),
        (lambda: load_model("no.such:thing", spec=SPEC, weights=tmp_path / "torn.pth", preprocessing=shape), "damaged"),
        (lambda: load_model(factory, spec=SPEC, preprocessing=shape), "--weights"),
        (lambda: load_model(factory, spec=SPEC, weights=tmp_path / "none.pth", preprocessing=shape), "not there"),
        (
            lambda: load_model(factory, spec=SPEC, weights=tmp_path / "torn.safetensors", preprocessing=shape),
            "safetensors",
        ),
        (lambda: load_model(saved, spec=TWO), "5 classes as in the data, came 3"),
        (lambda: new_model("resnet99", SPEC, SHAPE, seed=0), "resnet18-half"),
    ]
    for call, message in cases:
        with pytest.raises(ModelError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_model_that_brings_code_is_refused(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text()) | {"auto_map": {"AutoModel": "evil.Model"}}
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="brings code"):
        load_model(saved)


def test_a_directory_without_preprocessing_or_weights_says_so(saved: Path) -> None:
    (saved / "expunge.json").unlink()
    (saved / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        load_model(saved)
    (saved / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load_model(saved, preprocessing=SHAPE)


def test_a_module_in_hand_cannot_start_afresh_without_a_factory() -> None:
    shape = Preprocessing((8, 8))
    with pytest.raises(Unavailable, match="factory"):
        wrap_module(small_net(), SPEC, shape).fresh(0)
    assert wrap_module(small_net(), SPEC, shape, factory=small_net).fresh(0).head_name == "3"


@pytest.mark.parametrize(
    ("config", "head"),
    [
        (
            ViTConfig(
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=16,
                image_size=32,
                patch_size=8,
            ),
            "classifier",
        ),
        (ConvNextConfig(hidden_sizes=[4, 4, 4, 4], depths=[1, 1, 1, 1]), "classifier"),
        (EfficientNetConfig(width_coefficient=0.1, depth_coefficient=0.1, image_size=32), "classifier"),
    ],
)
def test_heads_of_other_families_are_found_and_give_features(config: object, head: str) -> None:
    config.num_labels = 3  # type: ignore[attr-defined]
    net = AutoModelForImageClassification.from_config(config)
    model = PixelClassifier(net, SHAPE, SPEC).eval()
    assert model.head_name == head
    with torch.no_grad():
        features, logits = model.features_and_logits(torch.rand(2, 3, 32, 32))
        torch.testing.assert_close(model.head(features), logits)


class TwinHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(192, 1), nn.Linear(192, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.a(x.flatten(1)), self.b(x.flatten(1))], dim=1)


def test_an_ambiguous_head_lists_what_there_is() -> None:
    with pytest.raises(ModelError, match="linear layers are: a, b"):
        find_head(TwinHeads(), SPEC, Preprocessing((8, 8)))
    with pytest.raises(ModelError, match="nothing"):
        PixelClassifier(small_net(), Preprocessing((8, 8)), SPEC, head="nothing")


def test_a_deep_head_with_dropout_is_found() -> None:
    head = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    assert PixelClassifier(head, Preprocessing((8, 8)), SPEC).head_name == "4"
