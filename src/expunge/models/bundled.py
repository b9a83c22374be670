"""Bundled architectures: ResNets of basic blocks at several widths, as configurations of transformers.

The stem is the standard one (7x7, stride 2, then pooling), so a `resnet18` here is the ResNet-18 of papers.
"""

from __future__ import annotations

from transformers import PretrainedConfig, ResNetConfig

from expunge.errors import ModelError
from expunge.types import LabelSpec

WIDTHS = {"": 1.0, "-half": 0.5, "-quarter": 0.25, "-eighth": 0.125}
DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet10": (1, 1, 1, 1)}
ARCHITECTURES = tuple(f"{name}{width}" for name in DEPTHS for width in WIDTHS)


def bundled_config(architecture: str, spec: LabelSpec, channels: int) -> PretrainedConfig:
    """The configuration of a bundled network, e.g. `resnet18-half` (ResNet-18 at half the width).

    Raises:
        ModelError: no such architecture.
    """
    base, _, _ = architecture.partition("-")
    width = WIDTHS.get(architecture.removeprefix(base))
    if base not in DEPTHS or width is None:
        raise ModelError("arch", expected=f"one of {', '.join(ARCHITECTURES)}", came=repr(architecture))
    names = class_names(spec)
    return ResNetConfig(
        num_channels=channels,
        embedding_size=int(64 * width),
        hidden_sizes=[int(size * width) for size in (64, 128, 256, 512)],
        depths=list(DEPTHS[base]),
        layer_type="basic",
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
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
