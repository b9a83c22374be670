"""Specs and networks that tests of models share."""

from __future__ import annotations

from torch import nn
from transformers import (
    BeitConfig,
    ConvNextConfig,
    EfficientNetConfig,
    PretrainedConfig,
    ResNetConfig,
    SwinConfig,
    ViTConfig,
)

from expunge.models.classifier import Preprocessing
from expunge.types import LabelSpec

SPEC = LabelSpec(("age",), (("a", "b", "c"),))
TWO = LabelSpec(("age", "gender"), (("a", "b", "c"), ("F", "M")))
SHAPE, SMALL = Preprocessing((32, 32)), Preprocessing((8, 8))


def small_net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5), nn.ReLU(), nn.Linear(5, 3))


def tiny(family: str) -> PretrainedConfig:
    """A tiny configuration of a family of transformers, for 32x32 pictures and three classes."""
    attention = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    made: dict[str, PretrainedConfig] = {
        "resnet": ResNetConfig(embedding_size=8, hidden_sizes=[8] * 4, depths=[1] * 4, layer_type="basic"),
        "vit": ViTConfig(**attention, image_size=32, patch_size=8),
        "beit": BeitConfig(**attention, image_size=32, patch_size=8),
        "swin": SwinConfig(image_size=32, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4),
        "convnext": ConvNextConfig(hidden_sizes=[4] * 4, depths=[1] * 4),
        "efficientnet": EfficientNetConfig(width_coefficient=0.1, depth_coefficient=0.1, image_size=32, hidden_dim=128),
    }
    config = made[family]
    config.id2label = {0: "a", 1: "b", 2: "c"}
    config.label2id = {"a": 0, "b": 1, "c": 2}
    return config


FAMILIES = ("resnet", "vit", "beit", "swin", "convnext", "efficientnet")
