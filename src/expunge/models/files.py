"""Files of weights, read without ever running code from them, and written again in the layout they came in.

Paths flow in and out; what a file was like (names, types, wrapping, prefix, metadata) travels beside its tensors as a
`Layout`. Networks may not enter.
"""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.errors import ModelError
from expunge.models.weights import State, check_finite

SAFETENSORS, PICKLES = (".safetensors",), (".pth", ".pt", ".bin")
WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every name


@dataclass(frozen=True, eq=False)
class Layout:
    """How weights lie in files, so that others can be written the same way.

    Args:
        places: file name of each tensor, by its name in the file, in the file's order.
        dtypes: type of each tensor in the file.
        wrapper: key under which a pickle holds the state dict; "" for none.
        prefix: put before every name of the network, e.g. `module.`; "" for none.
        metadata: of a safetensors file.
        versions: torch's module versions, which some networks insist on; None where the file has none.
        constants: tensors of the file that the network does not have; written back as they came.
    """

    places: Mapping[str, str]
    dtypes: Mapping[str, torch.dtype]
    wrapper: str = ""
    prefix: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: {"format": "pt"})
    versions: Any = None
    constants: State = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Stored:
    """Tensors as they lie in files, by their names there, and the layout."""

    state: State
    layout: Layout


def layout_of(state: Mapping[str, Tensor], file: str) -> Layout:
    """The plain layout: all tensors in one file under their own names."""
    return Layout(dict.fromkeys(state, file), {name: value.dtype for name, value in state.items()})


def only_weights(directory: Path) -> Path:
    """The one file of weights in a directory.

    Raises:
        ModelError: there is none, or there are several.
    """
    files = sorted(file for file in directory.iterdir() if file.suffix in (*SAFETENSORS, *PICKLES))
    if len(files) != 1:
        raise ModelError("weights (--weights)", expected=f"one file of weights in {directory}", came=str(len(files)))
    return files[0]


def holds_weights(path: Path) -> bool:
    """Whether a path is that of a file of weights, or of a directory with one in it."""
    files = path.iterdir() if path.is_dir() else [path]
    return any(file.suffix in (*SAFETENSORS, *PICKLES) and file.is_file() for file in files)


def read_weights(path: Path) -> Stored:
    """All tensors of a file.

    Args:
        path: `.safetensors`, or `.pth` / `.pt` / `.bin` holding nothing but tensors.

    Raises:
        ModelError: no such file, another kind, damaged, needs code execution, or holds no state dict.
    """
    if not path.is_file():
        raise ModelError("weights", expected="a file of weights", came=f"{path}, which is not there")
    if path.suffix in SAFETENSORS:
        return _read_safetensors(path)
    if path.suffix in PICKLES:
        return _unwrapped(_read_pickle(path), path)
    allowed = ", ".join((*SAFETENSORS, *PICKLES))
    raise ModelError("weights", expected=f"a file ending in {allowed}", came=path.name)


def read_all(paths: Iterable[Path]) -> Stored:
    """Several files (shards) as one.

    Raises:
        ModelError: as `read_weights`.
    """
    parts = [read_weights(path) for path in paths]
    places = {name: place for part in parts for name, place in part.layout.places.items()}
    dtypes = {name: dtype for part in parts for name, dtype in part.layout.dtypes.items()}
    state = {name: value for part in parts for name, value in part.state.items()}
    return Stored(state, replace(parts[0].layout, places=places, dtypes=dtypes))


def without_prefix(stored: Stored, names: Iterable[str]) -> Stored:
    """The same with the network's own `names`, where every name in the file has a prefix that wrappers add."""
    own = list(names)
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in stored.state) and not all(name.startswith(prefix) for name in own):
            state = OrderedDict(stored.state)
            state._metadata = dict(stored.layout.versions or {})  # type: ignore[attr-defined]
            torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, prefix)
            return Stored(state, replace(stored.layout, prefix=prefix))
    return stored


def arranged(state: Mapping[str, Tensor], layout: Layout) -> State:
    """Tensors by their names in the file, in its types: exactly what is going to be written.

    Raises:
        ModelError: a tensor is missing, or is not finite in the file's type.
    """
    found = {}
    for name, dtype in layout.dtypes.items():
        value = layout.constants.get(name, state.get(name.removeprefix(layout.prefix)))
        if value is None:
            raise ModelError("save", expected=f"the tensor {name} that was loaded", came="a network without it")
        # a copy of its own: safetensors refuses memory that tied weights share
        found[name] = value.detach().to("cpu", dtype, copy=True).contiguous()
    check_finite(found, "what is to be saved")
    return found


def write_weights(state: State, directory: Path, layout: Layout) -> None:
    """Write `arranged` tensors as `layout` says."""
    for file in dict.fromkeys(layout.places.values()):
        part = {name: value for name, value in state.items() if layout.places[name] == file}
        if Path(file).suffix in SAFETENSORS:
            save_file(part, directory / file, metadata=dict(layout.metadata))
        else:
            _write_pickle(part, directory / file, layout)


def _write_pickle(part: State, path: Path, layout: Layout) -> None:
    state = OrderedDict(part)
    if layout.versions is not None:
        state._metadata = layout.versions  # type: ignore[attr-defined]
    with path.open("wb") as file:  # a file of Python's: behind torch's own error stands the OSError of a full disk then
        torch.save({layout.wrapper: state} if layout.wrapper else state, file)


def _read_safetensors(path: Path) -> Stored:
    try:
        with safe_open(path, "pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError("weights", expected=f"a safetensors file in {path}", came=str(error)) from None
    return Stored(state, replace(layout_of(state, path.name), metadata=metadata))


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ModelError(
            "weights",
            expected="a file of tensors and nothing else",
            came=f"{path}, a pickle that needs code execution{f' ({wanted[1]})' if wanted else ''} or is damaged",
            remedy="save model.state_dict() alone, or use safetensors",
        ) from None
    except Exception as error:  # torch raises many kinds for damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError("weights", expected="a readable file of weights", came=f"{path}, damaged ({reason})") from None


def _unwrapped(found: Any, path: Path) -> Stored:
    keys = [key for key in WRAPPERS if isinstance(found, Mapping) and isinstance(found.get(key), Mapping)]
    if len(keys) > 1:
        raise ModelError("weights", expected=f"one state dict in {path}", came=f"several: {', '.join(keys)}")
    inner = found[keys[0]] if keys else found
    if not isinstance(inner, Mapping) or not inner or not all(isinstance(v, Tensor) for v in inner.values()):
        expected = f"a state dict (tensors by name), bare or under {', '.join(WRAPPERS)}"
        raise ModelError("weights", expected=expected, came=f"{_described(inner)} in {path}")
    layout = replace(layout_of(inner, path.name), wrapper="".join(keys), versions=getattr(inner, "_metadata", None))
    return Stored(OrderedDict(inner) if layout.versions is None else inner, layout)  # type: ignore[arg-type]


def _described(found: Any) -> str:
    if not isinstance(found, Mapping):
        return f"a {type(found).__name__}"
    return f"a dict of {', '.join(sorted(map(str, found))[:5]) or 'nothing'}"
