"""Bundled architectures, as configurations of transformers: ResNets of basic blocks at several widths, EfficientNet-B0.

The stem is the standard one (7x7, stride 2, then pooling), so a `resnet18` here is the ResNet-18 of papers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from expunge.errors import ModelError
from expunge.types import LabelSpec

if TYPE_CHECKING:
    from transformers import PretrainedConfig

WIDTHS = {"": 1.0, "-half": 0.5, "-quarter": 0.25, "-eighth": 0.125}
DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet10": (1, 1, 1, 1)}
EFFICIENTNET = "efficientnet-b0"
ARCHITECTURES = (*(f"{name}{width}" for name in DEPTHS for width in WIDTHS), EFFICIENTNET)


def bundled_config(architecture: str, spec: LabelSpec, channels: int) -> PretrainedConfig:
    """The configuration of a bundled network, e.g. `resnet18-half` (ResNet-18 at half the width).

    Raises:
        ModelError: no such architecture.
    """
    config = _efficientnet(channels) if architecture == EFFICIENTNET else _resnet(architecture, channels)
    names = class_names(spec)
    config.id2label, config.label2id = dict(enumerate(names)), {name: i for i, name in enumerate(names)}
    return config


def _resnet(architecture: str, channels: int) -> PretrainedConfig:
    from transformers import ResNetConfig

    base, _, _ = architecture.partition("-")
    width = WIDTHS.get(architecture.removeprefix(base))
    if base not in DEPTHS or width is None:
        raise ModelError("arch", expected=f"one of {', '.join(ARCHITECTURES)}", came=repr(architecture))
    return ResNetConfig(
        num_channels=channels,
        embedding_size=int(64 * width),
        hidden_sizes=[int(size * width) for size in (64, 128, 256, 512)],
        depths=list(DEPTHS[base]),
        layer_type="basic",
    )


def _efficientnet(channels: int) -> PretrainedConfig:
    """EfficientNet-B0 (Tan and Le 2019): width and depth 1, dropout .2."""
    from transformers import EfficientNetConfig

    return EfficientNetConfig(
        num_channels=channels,
        image_size=224,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        hidden_dim=1280,
        dropout_rate=0.2,
        # the default of transformers, .99, is a decay; torch would take it for the weight of the newest batch
        batch_norm_momentum=0.1,
    )


def class_names(spec: LabelSpec) -> list[str]:
    """A name for every logit: the class, or `attribute=class` where there are several attributes.

    Example:
        >>> class_names(LabelSpec(("age", "gender"), (("young", "old"), ("F", "M"))))
        ['age=young', 'age=old', 'gender=F', 'gender=M']
    """
    if len(spec.names) == 1:
        return list(spec.classes[0])
    return [f"{name}={c}" for name, classes in zip(spec.names, spec.classes, strict=True) for c in classes]
