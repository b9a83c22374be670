"""The head is the layer whose output is the answer, whatever it is called and wherever it is defined."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForImageClassification

from expunge.errors import ModelError
from expunge.models.classifier import PixelClassifier, find_head
from tests.models.nets import FAMILIES, SHAPE, SMALL, SPEC, small_net, tiny


@pytest.mark.parametrize("family", FAMILIES)
def test_heads_of_families_are_found_and_give_features(family: str) -> None:
    net = AutoModelForImageClassification.from_config(tiny(family))
    model = PixelClassifier(net, SHAPE, SPEC).eval()
    assert model.head_name == ("classifier.1" if family == "resnet" else "classifier")
    with torch.no_grad():
        features, logits = model.features_and_logits(torch.rand(2, 3, 32, 32))
        torch.testing.assert_close(model.head(features), logits)


class Odd(nn.Module):
    """Defined in another order than it runs; the width of the answer occurs twice; called by keyword."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.first, self.last_defined = nn.Linear(3, 3), nn.Linear(192, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(input=self.last_defined(self.first(x.flatten(1))).relu())  # type: ignore[no-any-return]


class ConvHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3), keepdim=True)).flatten(1)  # type: ignore[no-any-return]


class Zeros(nn.Module):
    """Both layers answer zero: a fresh head on top of another."""

    def __init__(self) -> None:
        super().__init__()
        self.side, self.fc = nn.Linear(192, 3), nn.Linear(192, 3)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        self.side(x.flatten(1))
        return self.fc(x.flatten(1))  # type: ignore[no-any-return]


def deep() -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(192, 512)]
    for width in (256, 128):
        layers += [nn.ReLU(), nn.Dropout(0.5), nn.Linear(layers[-1].out_features, width)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 3))


@pytest.mark.parametrize(
    ("make", "head", "width"),
    [(Odd, "fc", 3), (ConvHead, "head", 4), (Zeros, "fc", 192), (deep, "10", 128)],
)
def test_unusual_heads_are_found(make: Callable[[], nn.Module], head: str, width: int) -> None:
    net = make()
    modes = [m.training for m in net.modules()]
    model = PixelClassifier(net, SMALL, SPEC)
    assert model.head_name == head
    assert model.features_and_logits(torch.rand(2, 3, 8, 8))[0].shape == (2, width)
    assert [m.training for m in net.modules()] == modes


class TwinHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.unused = nn.Linear(192, 1), nn.Linear(192, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.a(x.flatten(1)), self.b(x.flatten(1))], dim=1)


class Last(nn.Module):
    """The sequence out of what a recurrent layer returns."""

    def forward(self, found: tuple[Tensor, object]) -> Tensor:
        return found[0]


class Repeated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.fc = nn.Linear(192, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.fc(self.down(x.flatten(1))))  # type: ignore[no-any-return]


class Tuple(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x.flatten(1)[:, :3], None


def test_what_cannot_be_a_head_is_said_with_what_there_is() -> None:
    cases = [
        (TwinHeads(), None, "came none; .*linear layers are: a, b$"),
        (Repeated(), None, r"fc \(2 runs\)"),
        (Repeated(), "fc", "came 2 runs"),
        (TwinHeads(), "unused", "came 0 runs"),
        (small_net(), "nothing", "came 'nothing'; linear layers are: 1, 3"),
        (Tuple(), None, "came a tuple"),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), "1", "3 classes as in the data, came 4 in the model"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 3)), None, r"takes \[1, 3, 8, 8\]"),
    ]
    for net, head, message in cases:
        with pytest.raises(ModelError, match=message) as caught:
            PixelClassifier(net, SMALL, SPEC, head=head)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("make", "head"), [(TwinHeads, "a"), (TwinHeads, "b"), (ConvHead, "head")])
def test_a_named_head_gives_the_answer_or_the_part_of_some_attributes(make: Callable[[], nn.Module], head: str) -> None:
    assert PixelClassifier(make(), SMALL, SPEC, head=head).head_name == head


def cut_off() -> nn.Module:
    """A ReLU in place over logits below zero; over others it would change nothing, and the layer would be the head."""
    layer = nn.Linear(192, 3)
    nn.init.constant_(layer.bias, -100.0)
    return nn.Sequential(nn.Flatten(), layer, nn.ReLU(inplace=True))


@pytest.mark.parametrize(
    ("make", "head"),
    [
        (Odd, "last_defined"),  # as wide as the answer, and runs once
        (small_net, "1"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 3), nn.Sigmoid()), "1"),
        (cut_off, "1"),
        (lambda: nn.Sequential(nn.Flatten(), nn.LSTM(192, 4), Last(), nn.Linear(4, 3)), "1"),
    ],
)
def test_a_named_head_that_does_not_give_the_answer_is_refused(make: Callable[[], nn.Module], head: str) -> None:
    """Planted faults: the gradients of the last layer are those of another one, and its features too."""
    with pytest.raises(ModelError, match=f"head: expected layer '{head}' to give the logits.*linear layers are"):
        PixelClassifier(make(), SMALL, SPEC, head=head)


def test_looking_for_a_head_draws_no_random_numbers() -> None:
    net = deep()
    state = torch.get_rng_state()
    find_head(net, SPEC, SMALL)
    assert torch.equal(torch.get_rng_state(), state)
