"""Networks that CPUs compute wrongly in bfloat16 are found, and computed in float32."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.delicate import strides_past_its_map
from expunge.models.load import new_model
from expunge.types import LabelSpec

SPEC = LabelSpec(("label",), (("a", "b", "c"),))


@pytest.mark.parametrize(
    ("kernel", "stride", "side", "delicate"),
    [(3, 2, 1, True), (3, 3, 2, True), (5, 2, 1, True), (1, 2, 1, False), (3, 1, 1, False), (3, 2, 2, False)],
)
def test_a_stride_past_the_map(kernel: int, stride: int, side: int, delicate: bool) -> None:
    layer = nn.Conv2d(3, 4, kernel, stride=stride, padding=kernel // 2)
    assert strides_past_its_map(layer, Preprocessing((side, side))) == (("",) if delicate else ())


def test_which_pictures_are_too_small_for_a_resnet() -> None:
    for side, delicate in ((16, True), (32, False), (64, False)):
        model = new_model("resnet10-eighth", SPEC, Preprocessing((side, side)), seed=0).classifier
        assert bool(model.delicate) is delicate, side


def test_a_delicate_network_is_computed_in_float32_in_both_passes() -> None:
    model = new_model("resnet10-eighth", SPEC, Preprocessing((16, 16)), seed=0).classifier.train()
    x, seen = torch.rand(16, 3, 16, 16), []
    for autocast in (True, False, True, True):
        model.zero_grad()
        del [torch.full((n,), float("nan"), dtype=torch.bfloat16) for n in (1000, 100_000)][:]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            logits = model(x)
        logits.square().sum().backward()
        seen.append([logits.detach(), *(p.grad.clone() for p in model.parameters())])
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], other, strict=True))


def test_other_networks_keep_bfloat16() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    model = PixelClassifier(net, Preprocessing((16, 16)), SPEC)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(torch.rand(2, 3, 16, 16)).dtype == torch.bfloat16
