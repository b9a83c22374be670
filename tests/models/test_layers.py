"""Layers are listed as they run, whatever they are called and wherever they are defined."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from transformers import AutoModelForImageClassification

from expunge.errors import MethodError
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.dlfd_resnet import DLFDResNet18
from expunge.models.layers import copy_layers, last_layers, own_parameters, weight_layers
from expunge.models.load import new_model
from tests.models.nets import FAMILIES, SHAPE, SMALL, SPEC, small_net, tiny

BLOCK = "resnet.encoder.stages.3.layers.0."


def of(net: nn.Module, shape: Preprocessing = SMALL) -> PixelClassifier:
    return PixelClassifier(net, shape, SPEC)


def test_layers_of_a_bundled_resnet_run_from_stem_to_head() -> None:
    model = new_model("resnet10-quarter", SPEC, SHAPE, seed=0).classifier
    found = weight_layers(model)
    assert len(found) == 1 + 4 * 2 + 3 + 1  # stem, two convolutions a block, three shortcuts, head
    assert found[0][0] == "resnet.embedder.embedder.convolution" and found[-1] == ("classifier.1",)
    # the last stage: two convolutions and then their shortcut, each with its norm
    assert last_layers(model, 4) == [
        *(BLOCK + "layer.0." + part for part in ("convolution", "normalization")),
        *(BLOCK + "layer.1." + part for part in ("convolution", "normalization")),
        *(BLOCK + "shortcut." + part for part in ("convolution", "normalization")),
        "classifier.1",
    ]


def test_the_last_three_layers_of_the_paper_s_network_are_its_head() -> None:
    assert last_layers(of(DLFDResNet18(3), SHAPE), 3) == ["features.0", "features.3", "features.6"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_of_a_family_is_in_exactly_one_layer(family: str) -> None:
    model = of(AutoModelForImageClassification.from_config(tiny(family)), SHAPE)
    names = [name for layer in weight_layers(model) for name in layer]
    assert len(names) == len(set(names))
    assert {id(p) for p in own_parameters(model, names)} == {id(p) for p in model.parameters()}


def test_layers_of_a_sequence() -> None:
    assert weight_layers(of(small_net())) == [("1",), ("3",)]


class Backwards(nn.Module):
    """Defined from head to stem."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.bn, self.stem = nn.Linear(4, 3), nn.BatchNorm1d(4), nn.Linear(192, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.bn(self.stem(x.flatten(1))))  # type: ignore[no-any-return]


class Twice(nn.Module):
    """The shared layer runs second, and again next to last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.shared, self.middle, self.fc = (nn.Linear(a, b) for a, b in ((192, 4), (4, 4), (4, 4), (4, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.shared(self.middle(self.shared(self.stem(x.flatten(1))))))  # type: ignore[no-any-return]


class Attending(nn.Module):
    """Attention computes with the weights of its projection, which never runs as a module; `spare` is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.spare, self.attention, self.fc = nn.Linear(4, 4), nn.MultiheadAttention(24, 2), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        words = x.flatten(2).transpose(1, 2).flatten(1).view(len(x), 8, 24).transpose(0, 1)
        return self.fc(self.attention(words, words, words)[0].mean(0))  # type: ignore[no-any-return]


def test_running_order_counts_and_not_that_of_definition() -> None:
    assert weight_layers(of(Backwards())) == [("stem", "bn"), ("fc",)]


def test_a_layer_that_runs_twice_stands_where_it_runs_last() -> None:
    assert weight_layers(of(Twice())) == [("stem",), ("middle",), ("shared",), ("fc",)]


def test_a_projection_belongs_to_its_attention_and_what_never_runs_to_nothing() -> None:
    assert weight_layers(of(Attending())) == [("attention", "attention.out_proj"), ("fc",)]


def test_a_reparametrised_weight_belongs_to_its_layer() -> None:
    net = nn.Sequential(nn.Flatten(), weight_norm(nn.Linear(192, 4)), nn.Linear(4, 3))
    assert weight_layers(of(net)) == [("1", "1.parametrizations.weight"), ("2",)]


def test_a_norm_in_front_of_all_layers_belongs_to_the_first_and_one_without_scale_to_the_one_before() -> None:
    net = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(192), nn.Linear(192, 4), nn.BatchNorm1d(4, affine=False), nn.Linear(4, 3)
    )
    assert weight_layers(of(net)) == [("1", "2", "3"), ("4",)]


@pytest.mark.parametrize("k", [0, 3])
def test_a_number_that_does_not_fit_is_an_error_with_the_number_that_does(k: int) -> None:
    with pytest.raises(MethodError, match=f"expected 1 to 2, .* came {k}"):
        last_layers(of(small_net()), k)


def test_listing_leaves_the_network_as_it_was() -> None:
    model = of(Backwards()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weight_layers(model)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_copied_layers_carry_their_statistics_and_the_others_stay() -> None:
    source, target = of(Backwards()).train(), of(Backwards())
    source(torch.rand(4, 3, 8, 8))
    fc = target.get_parameter("net.fc.weight").clone()
    copy_layers(source, target, ["stem", "bn"])
    assert torch.equal(target.get_buffer("net.bn.running_mean"), source.get_buffer("net.bn.running_mean"))
    assert torch.equal(target.get_parameter("net.stem.weight"), source.get_parameter("net.stem.weight"))
    assert torch.equal(target.get_parameter("net.fc.weight"), fc)
