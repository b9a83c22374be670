"""Local Hugging Face model directories, read without running any code in them, and the bundled ResNets.

A directory flows in, a network and its preprocessing flow out, and the same layout goes back. Nothing is downloaded.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig, AutoModelForImageClassification, PretrainedConfig, ResNetConfig

from expunge.errors import ModelError
from expunge.models.classifier import Preprocessing
from expunge.models.weights import State, check_finite, load_into, read_weights
from expunge.types import LabelSpec

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
WIDTHS = {"": 1.0, "-half": 0.5, "-quarter": 0.25}
DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet10": (1, 1, 1, 1)}
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
    return ResNetConfig(
        num_channels=channels,
        embedding_size=int(64 * width),
        hidden_sizes=[int(size * width) for size in (64, 128, 256, 512)],
        depths=list(DEPTHS[base]),
        layer_type="basic",
        id2label=dict(enumerate(class_names(spec))),
        label2id={name: i for i, name in enumerate(class_names(spec))},
    )


def class_names(spec: LabelSpec) -> list[str]:
    """A name for every logit: the class, or `attribute=class` where there are several attributes."""
    if len(spec.names) == 1:
        return list(spec.classes[0])
    return [f"{name}={c}" for name, classes in zip(spec.names, spec.classes, strict=True) for c in classes]


def read_config(directory: Path) -> PretrainedConfig:
    """The configuration in a model directory.

    Raises:
        ModelError: there is none, or it asks for code of its own.
    """
    try:
        raw = json.loads((directory / CONFIG).read_text())
        if "auto_map" in raw:
            raise ModelError(
                "model", expected="a network that transformers knows", came="one that brings code (auto_map)"
            )
        config: PretrainedConfig = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        return config
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError("model", expected=f"a {CONFIG} that transformers reads in {directory}", came=reason) from None


def build(config: PretrainedConfig) -> nn.Module:
    """A network with fresh weights from torch's global generator.

    Raises:
        ModelError: the configuration is not one of an image classifier.
    """
    try:
        net: nn.Module = AutoModelForImageClassification.from_config(config)
    except ValueError:
        raise ModelError("model", expected="an image classifier", came=f"a {config.model_type}") from None
    return net


def read_network(directory: Path) -> nn.Module:
    """The network in a model directory with its weights, from safetensors, else from a pickle of tensors alone.

    Raises:
        ModelError: anything missing, unknown, unsafe or not fitting.
    """
    net = build(read_config(directory))
    file = next((directory / name for name in WEIGHTS if (directory / name).exists()), None)
    if file is None:
        raise ModelError("model", expected=f"one of {', '.join(WEIGHTS)} in {directory}", came="none")
    load_into(net, read_weights(file)[0], str(file))
    return net


def write_network(net: nn.Module, directory: Path, *, origin: Path | None, preprocessing: Preprocessing) -> None:
    """Write a model directory: the origin's own small files byte for byte where there is one, and our weights.

    Args:
        net: what to save. directory: exists. origin: the directory that was loaded, or None.
        preprocessing: written where the origin has no file for it.
    """
    for name in (CONFIG, PROCESSOR):
        if (
            origin is not None
            and (origin / name).exists()
            and (origin / name).resolve() != (directory / name).resolve()
        ):
            shutil.copyfile(origin / name, directory / name)
    if not (directory / CONFIG).exists():
        net.config.save_pretrained(directory)  # type: ignore[union-attr, operator]
    if not (directory / PROCESSOR).exists():
        (directory / PROCESSOR).write_text(json.dumps(processor(preprocessing), indent=1) + "\n")
    state: State = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    check_finite(state, str(directory))
    save_file(_untied(state), directory / WEIGHTS[0], metadata={"format": "pt"})


def processor(preprocessing: Preprocessing) -> dict[str, Any]:
    """The `preprocessor_config.json` of a network of ours."""
    height, width = preprocessing.size
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": height, "width": width},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocessing.mean),
        "image_std": list(preprocessing.std),
    }


def read_preprocessing(directory: Path) -> Preprocessing | None:
    """Size and normalisation as the directory states them, or None where it does not.

    Raises:
        ModelError: the file is there but cannot be understood.
    """
    path = directory / PROCESSOR
    if not path.exists():
        return None
    try:
        raw = json.loads(path.read_text())
        size = _size(raw.get("crop_size") if raw.get("do_center_crop") else raw["size"])
        if not raw.get("do_normalize", True):
            return Preprocessing(size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        return Preprocessing(size, tuple(raw["image_mean"]), tuple(raw["image_std"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError("model", expected=f"size, image_mean and image_std in {path}", came=repr(error)) from None


def read_spec(config: PretrainedConfig, spec: LabelSpec | None) -> LabelSpec:
    """What the logits mean: as the caller says, else the names in the configuration, as one attribute.

    Raises:
        ModelError: the caller's classes are more or fewer than the network's.
    """
    count = int(config.num_labels or 0)
    if spec is not None and spec.logits != count:
        raise ModelError("model", expected=f"{spec.logits} classes as in the data", came=f"{count} in the model")
    names = tuple(str(config.id2label[i]) for i in range(count)) if config.id2label else ()
    return spec or LabelSpec(("label",), (names,))


def _size(raw: Any) -> tuple[int, int]:
    if isinstance(raw, int):
        return raw, raw
    if "shortest_edge" in raw:
        return int(raw["shortest_edge"]), int(raw["shortest_edge"])
    return int(raw["height"]), int(raw["width"])


def _untied(state: State) -> State:
    """Safetensors refuses shared memory: tied weights are written out, each under its own name."""
    seen: set[int] = set()
    result = {}
    for name, value in state.items():
        result[name] = value.clone() if value.data_ptr() in seen and value.numel() else value
        seen.add(value.data_ptr())
    return result
