"""The network of the DLFD paper: its names and shapes, its arithmetic, and files of weights that come and go."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from expunge.errors import ModelError
from expunge.models.bundled import bundled_config
from expunge.models.classifier import Preprocessing
from expunge.models.dlfd_resnet import DLFDResNet18, dlfd_preprocessing
from expunge.models.load import load_model, new_model
from expunge.types import LabelSpec

NAME = "dlfd-resnet18"
AGES = LabelSpec(("age",), (tuple("abcdefgh"),))
SHAPE = Preprocessing((32, 32))
Shapes = "OrderedDict[str, tuple[int, ...]]"


def norm_shapes(name: str, width: int) -> Shapes:
    names = ("weight", "bias", "running_mean", "running_var")
    return OrderedDict({f"{name}.{one}": (width,) for one in names} | {f"{name}.num_batches_tracked": ()})


def definition(logits: int) -> Shapes:
    """Every tensor of a ResNet-18 with this head, from the table of its layers: the names are torchvision's."""
    found: Shapes = OrderedDict({"conv1.weight": (64, 3, 7, 7)}) | norm_shapes("bn1", 64)
    before = 64
    for layer, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name, inputs = f"layer{layer}.{block}", before if block == 0 else width
            found |= {f"{name}.conv1.weight": (width, inputs, 3, 3)} | norm_shapes(f"{name}.bn1", width)
            found |= {f"{name}.conv2.weight": (width, width, 3, 3)} | norm_shapes(f"{name}.bn2", width)
            if inputs != width:
                found |= {f"{name}.downsample.0.weight": (width, inputs, 1, 1)}
                found |= norm_shapes(f"{name}.downsample.1", width)
        before = width
    named = OrderedDict((f"base_model.{name}", shape) for name, shape in found.items())
    for number, (inputs, outputs) in zip((0, 3, 6), ((512, 256), (256, 128), (128, logits)), strict=True):
        named |= {f"features.{number}.weight": (outputs, inputs), f"features.{number}.bias": (outputs,)}
    return named


def by_hand(w: dict[str, Tensor], x: Tensor) -> Tensor:
    """What the network answers in inference mode, written out with functions and the tensors of a file."""

    def norm(name: str, x: Tensor) -> Tensor:
        at = f"base_model.{name}"
        scale = w[f"{at}.weight"] / (w[f"{at}.running_var"] + 1e-5).sqrt()
        shift = w[f"{at}.bias"] - w[f"{at}.running_mean"] * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def conv(name: str, x: Tensor, stride: int, padding: int) -> Tensor:
        return F.conv2d(x, w[f"base_model.{name}.weight"], stride=stride, padding=padding)

    x = F.max_pool2d(norm("bn1", conv("conv1", x, 2, 3)).clamp(min=0), 3, 2, 1)
    for layer in range(1, 5):
        for block in range(2):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = norm(f"{name}.bn1", conv(f"{name}.conv1", x, stride, 1)).clamp(min=0)
            y = norm(f"{name}.bn2", conv(f"{name}.conv2", y, 1, 1))
            if stride == 2:
                x = norm(f"{name}.downsample.1", conv(f"{name}.downsample.0", x, 2, 0))
            x = (x + y).clamp(min=0)
    x = x.flatten(2).sum(2) / x[0, 0].numel()
    for number in (0, 3, 6):
        x = x @ w[f"features.{number}.weight"].T + w[f"features.{number}.bias"]
        x = x if number == 6 else x.clamp(min=0)
    return x


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Weights of a network whose batch norms have seen something."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = DLFDResNet18(8).train()
        net(torch.rand(8, 3, 32, 32))
    return net.state_dict()


def test_names_and_shapes_are_those_of_the_definition(state: dict[str, Tensor]) -> None:
    expected = definition(8)
    assert {name: tuple(value.shape) for name, value in state.items()} == dict(expected)
    assert list(state) == list(expected)
    # a ResNet-18 for ImageNet has 11,689,512 parameters, of which its last layer has 513,000
    learned = {name: value.numel() for name, value in DLFDResNet18(8).named_parameters()}
    assert sum(n for name, n in learned.items() if name.startswith("base_model.")) == 11_689_512 - 513_000


def test_it_answers_as_written_out_by_hand(state: dict[str, Tensor]) -> None:
    net = DLFDResNet18(8).eval()
    net.load_state_dict(state)
    x = torch.randn(3, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(net(x), by_hand(state, x), atol=1e-4, rtol=1e-4)
        dropped = net.train()(x), net(x)
    assert not torch.equal(*dropped)


def test_a_published_file_comes_in_and_goes_out_as_it_was(tmp_path: Path, state: dict[str, Tensor]) -> None:
    torch.save(state, tmp_path / "last_100_age_original.pth")
    shape = dlfd_preprocessing((128, 128), 8)
    loaded = load_model(NAME, spec=AGES, weights=tmp_path / "last_100_age_original.pth", preprocessing=shape)
    assert loaded.classifier.head_name == "features.6"
    with torch.no_grad():
        features, _ = loaded.classifier.features_and_logits(torch.rand(2, 3, 128, 128))
    assert features.shape == (2, 128)
    loaded.save(loaded.classifier, tmp_path / "out")
    again = torch.load(tmp_path / "out/last_100_age_original.pth", weights_only=True)
    assert list(again) == list(state) and all(torch.equal(again[name], state[name]) for name in state)
    assert again._metadata == state._metadata  # type: ignore[attr-defined]
    # our own code, so the directory is enough
    opened = load_model(tmp_path / "out")
    assert opened.weights_sha256 == loaded.weights_sha256
    assert opened.classifier.preprocessing == shape and opened.classifier.spec == AGES


def test_a_new_one_follows_its_seed_and_is_opened_by_its_directory(tmp_path: Path) -> None:
    made = new_model(NAME, AGES, SHAPE, seed=3)
    assert made.weights_sha256 == new_model(NAME, AGES, SHAPE, seed=3).weights_sha256
    made.save(made.classifier, tmp_path / "out")
    opened = load_model(tmp_path / "out")
    assert (opened.kind, opened.weights_sha256) == ("factory", made.weights_sha256)
    assert opened.fresh(3).head_name == "features.6"
    (tmp_path / "out/second.pth").write_bytes(b"")
    with pytest.raises(ModelError, match="one file of weights"):
        load_model(tmp_path / "out")


def test_other_classes_and_other_networks_are_refused_in_one_line(tmp_path: Path, state: dict[str, Tensor]) -> None:
    file = tmp_path / "w.pth"
    torch.save(state, file)
    seven = LabelSpec(("emotion",), (tuple("abcdefg"),))
    with pytest.raises(ModelError, match=r"features\.6\.weight \[8, 128\] for \[7, 128\]") as caught:
        load_model(NAME, spec=seven, weights=file, preprocessing=SHAPE)
    assert "\n" not in str(caught.value)
    torch.save({name.removeprefix("base_model."): value for name, value in state.items()}, file)
    with pytest.raises(ModelError, match=r"missing: base_model\.conv1\.weight"):
        load_model(NAME, spec=AGES, weights=file, preprocessing=SHAPE)


def test_efficientnet_b0_has_the_size_of_the_paper_and_its_running_means_run() -> None:
    made = new_model("efficientnet-b0", AGES, SHAPE, seed=0)
    assert made.classifier.head_name == "classifier"
    body = [p for name, p in made.classifier.net.named_parameters() if not name.startswith("classifier")]
    assert sum(p.numel() for p in body) == 5_288_548 - 1_281_000  # without the head of 1,000 classes
    norms = [m for m in made.classifier.net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and {norm.momentum for norm in norms} == {0.1}
    with pytest.raises(ModelError, match="efficientnet-b0"):
        bundled_config("efficientnet-b9", AGES, 3)
