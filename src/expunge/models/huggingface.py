"""Local Hugging Face model directories, read without running any code in them and written back as they came.

Files are read by expunge's own safe readers; transformers only translates names, since the names in files are not
those of its networks (those of ViT have changed, for one). Nothing is downloaded.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from expunge.errors import ModelError, Unavailable
from expunge.models.classifier import Preprocessing
from expunge.models.files import Stored, arranged, layout_of, read_all, write_weights
from expunge.models.processor import CONFIG, PROCESSOR, processor, read_preprocessing
from expunge.models.translation import checked_layout, refuse_report
from expunge.models.weights import State, check_finite
from expunge.types import LabelSpec

if TYPE_CHECKING:
    from transformers import PretrainedConfig

__all__ = ["CONFIG", "PROCESSOR", "HuggingFaceForm", "build", "read_config", "read_preprocessing", "read_spec"]

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
FOREIGN = {
    "auto_map": "one that brings code (auto_map)",
    "quantization_config": "quantised weights (quantization_config)",
}


def read_config(directory: Path) -> PretrainedConfig:
    """The configuration in a model directory.

    Raises:
        ModelError: there is none, or it asks for code of its own, quantised weights or an adapter.
    """
    from transformers import AutoConfig

    try:
        raw = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
        came = next((reason for key, reason in FOREIGN.items() if key in raw), None)
        came = "an adapter of another model" if (directory / "adapter_config.json").exists() else came
        if came is not None:
            raise ModelError("model", expected="a network that transformers knows", came=came)
        config: PretrainedConfig = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
        return config
    except ModelError:
        raise
    except Exception as error:  # whatever transformers says about a configuration
        raise ModelError(
            "model", expected=f"a {CONFIG} that transformers reads in {directory}", came=_line(error)
        ) from None


def read_spec(config: PretrainedConfig, spec: LabelSpec | None) -> LabelSpec:
    """What the logits mean: as the caller says, else the names in the configuration, as one attribute.

    Raises:
        ModelError: the caller's classes are more or fewer than the network's, or the same in another order.
    """
    count = int(config.num_labels or 0)
    if spec is not None and spec.logits != count:
        raise ModelError("model", expected=f"{spec.logits} classes as in the data", came=f"{count} in the model")
    labels: Mapping[Any, Any] = config.id2label or {}
    names = tuple(str(labels[i]) for i in range(count)) if labels else ()
    if spec is not None and len(spec.names) == 1 and names != spec.classes[0] and {*names} == {*spec.classes[0]}:
        raise ModelError("model", expected=f"classes in the order {spec.classes[0]}", came=f"{names} in the model")
    return spec or LabelSpec(("label",), (names,))


def build(config: PretrainedConfig) -> nn.Module:
    """A network with fresh fp32 weights from torch's global generator.

    Raises:
        ModelError: the configuration is not one of an image classifier, or contradicts itself.
        Unavailable: the network needs a library that is not installed.
    """
    from transformers import AutoModelForImageClassification

    _network_class(config)
    try:
        with _quiet():
            net: nn.Module = AutoModelForImageClassification.from_config(copy.deepcopy(config), dtype=torch.float32)
            return net
    except ImportError as error:
        raise Unavailable(f"model: {config.model_type} needs more than is installed: {_line(error)}") from None
    except Exception as error:  # sizes that contradict each other end in errors of all kinds
        raise ModelError("model", expected=f"a sound {CONFIG} of {config.model_type}", came=_line(error)) from None


class HuggingFaceForm:
    """A network that lives as a Hugging Face model directory.

    Args:
        net: the loaded, or freshly built, network; it knows how names are translated.
        preprocessing: written where no file of it was loaded.
        stored: the files that were loaded, or None.
        origin: the directory that was loaded, or None.
    """

    factory = ""

    def __init__(
        self, net: nn.Module, preprocessing: Preprocessing, *, stored: Stored | None = None, origin: Path | None = None
    ) -> None:
        self.origin = origin
        self._net: Any = net
        self._preprocessing = preprocessing
        own = self._names_in_files(net)
        self.layout = layout_of(own, WEIGHTS[0]) if stored is None else checked_layout(stored, own, str(origin))
        # read now: the directory may be gone when the time for saving comes
        small = (CONFIG, PROCESSOR, *(f"{name}.index.json" for name in WEIGHTS)) if origin is not None else ()
        self.kept = {name: (origin / name).read_bytes() for name in small if origin and (origin / name).exists()}

    def build(self) -> nn.Module:
        """A freshly initialised network."""
        return build(self._net.config)

    def stored(self, net: nn.Module) -> State:
        """What the files of this network hold."""
        return arranged(self._names_in_files(net), self.layout)

    def write(self, net: nn.Module, directory: Path) -> None:
        """Write the directory: the small files byte for byte as they came, and the weights."""
        for name, content in self.kept.items():
            (directory / name).write_bytes(content)
        if CONFIG not in self.kept:
            self._net.config.save_pretrained(directory)
        if PROCESSOR not in self.kept:
            text = json.dumps(processor(self._preprocessing), indent=1) + "\n"
            (directory / PROCESSOR).write_text(text, encoding="utf-8")
        write_weights(self.stored(net), directory, self.layout)

    def reread(self, directory: Path) -> State:
        """What the files in `directory` hold."""
        return read_files(directory).state

    def read(self, directory: Path) -> nn.Module:
        """The network that lies in `directory`."""
        return read_network(read_config(directory), read_files(directory), str(directory))

    def _names_in_files(self, net: nn.Module) -> State:
        from transformers.core_model_loading import revert_weight_conversion

        # of the loaded network, which remembers how its names were translated; a fresh one does not
        named: State = revert_weight_conversion(self._net, net.state_dict())
        return named


def read_files(directory: Path) -> Stored:
    """All weights in a model directory: safetensors where there are, else pickles of tensors alone.

    Raises:
        ModelError: none there, a damaged or unsafe file, or an index that points elsewhere.
    """
    for name in WEIGHTS:
        if (directory / name).exists():
            return read_all([directory / name])
        index = directory / f"{name}.index.json"
        if index.exists():
            return read_all(directory / shard for shard in _shards(index))
    raise ModelError("model", expected=f"one of {', '.join(WEIGHTS)} in {directory}", came="none")


def read_network(config: PretrainedConfig, stored: Stored, source: str) -> nn.Module:
    """A network of `config` with fp32 copies of the weights in files.

    Raises:
        ModelError: weights are not finite, or do not fit the architecture.
        Unavailable: the network needs a library that is not installed.
    """
    check_finite(stored.state, source)
    network = _network_class(config)
    try:
        with _quiet():
            # without a path transformers opens no file: it translates names and reports what does not fit
            net, report = network.from_pretrained(
                None,
                config=copy.deepcopy(config),
                state_dict=dict(stored.state),
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                local_files_only=True,
            )
    except ImportError as error:
        raise Unavailable(f"model: {config.model_type} needs more than is installed: {_line(error)}") from None
    except Exception as error:  # as in `build`
        raise ModelError("model", expected=f"a sound {CONFIG} of {config.model_type}", came=_line(error)) from None
    refuse_report(report, source, len(net.state_dict()))
    return net  # type: ignore[no-any-return]


def _network_class(config: PretrainedConfig) -> Any:
    from transformers import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING

    try:
        return MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING[type(config)]
    except KeyError:
        raise ModelError("model", expected="an image classifier", came=f"a {config.model_type}") from None


def _shards(index: Path) -> list[str]:
    try:
        names = list(dict.fromkeys(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if not names or any(Path(name).name != name or not Path(name).suffix for name in names):
            raise ValueError("names that are not plain file names")
        return names
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError("model", expected=f"files of the same directory in {index}", came=_line(error)) from None


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Transformers prints tables and bars; what matters in them becomes an error here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
