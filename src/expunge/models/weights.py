"""Reading and comparing weights without ever running code from a file.

Files flow in, state dicts flow out. A pickle that needs more than tensors is refused, and so is a number that is none.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from expunge.errors import ModelError

State = dict[str, Tensor]
SAFETENSORS, PICKLES = (".safetensors",), (".pth", ".pt", ".bin")
WRAPPERS = ("state_dict", "model_state_dict", "model")


def read_weights(path: Path) -> tuple[State, str]:
    """The state dict in a file, and the key it was wrapped in ("" for none).

    Args:
        path: `.safetensors`, or `.pth` / `.pt` / `.bin` holding nothing but tensors.

    Raises:
        ModelError: no such file, another kind, damaged, needs code execution, or holds no state dict.
    """
    if not path.is_file():
        raise ModelError("weights", expected="a file of weights", came=f"{path}, which is not there")
    if path.suffix in SAFETENSORS:
        try:
            return load_file(path), ""
        except (SafetensorError, OSError) as error:
            raise ModelError("weights", expected=f"a safetensors file in {path}", came=str(error)) from None
    if path.suffix not in PICKLES:
        allowed = ", ".join((*SAFETENSORS, *PICKLES))
        raise ModelError("weights", expected=f"a file ending in {allowed}", came=path.name)
    return _unwrapped(_read_pickle(path), path)


def load_into(net: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Put weights into a network, or say what does not fit.

    Raises:
        ModelError: keys or shapes differ (the first few are named), or a weight is NaN or infinite.
    """
    own = net.state_dict()
    missing, extra = [k for k in own if k not in state], [k for k in state if k not in own]
    shapes = [
        f"{k} {list(state[k].shape)} for {list(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    if missing or extra or shapes:
        parts = [
            f"{name}: {', '.join(keys[:3])}"
            for name, keys in (("missing", missing), ("unknown", extra), ("shapes", shapes))
            if keys
        ]
        raise ModelError(
            "weights", expected=f"the {len(own)} tensors of the architecture", came=f"in {source} {'; '.join(parts)}"
        )
    check_finite(state, source)
    net.load_state_dict(dict(state))


def check_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Refuse weights that are not numbers.

    Raises:
        ModelError: naming the first tensor with NaN or infinity.
    """
    for name, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ModelError("weights", expected="finite numbers", came=f"NaN or infinity in {name} of {source}")


def hash_state(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of all tensors, in order of name.

    Example:
        >>> hash_state({"a": torch.zeros(1)}) == hash_state({"a": torch.zeros(2)})
        False
    """
    found = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        found.update(f"{name}\x1f{value.dtype}\x1f{tuple(value.shape)}\x1f".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ModelError(
            "weights",
            expected="a file of tensors and nothing else",
            came=f"{path}, a pickle that needs code execution or is damaged",
            remedy="save model.state_dict() alone, or use safetensors",
        ) from None
    except Exception as error:  # torch raises many kinds for damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError("weights", expected="a readable file of weights", came=f"{path}: {reason}") from None


def _unwrapped(found: Any, path: Path) -> tuple[State, str]:
    for key in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            return _state(found[key], path), key
    return _state(found, path), ""


def _state(found: Any, path: Path) -> State:
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise ModelError("weights", expected="a state dict: tensors by name", came=f"{type(found).__name__} in {path}")
    return dict(found)
