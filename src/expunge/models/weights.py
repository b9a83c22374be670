"""State dicts in memory: hashing them, refusing bad numbers, and putting them into a network that they fit.

State dicts and networks flow in, hashes and errors flow out. Files are read and written in `files.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from expunge.errors import ModelError
from expunge.models.classifier import PixelClassifier

State = dict[str, Tensor]
COUNTER = "num_batches_tracked"  # batch norm's step count, which old files do not have
NAMED = 3  # how many tensors an error names


def state_bytes_hash(model: nn.Module) -> str:
    """SHA-256 over all weights of a network or classifier: equal exactly when no weight has changed.

    Example:
        >>> net = nn.Linear(2, 2)
        >>> before = state_bytes_hash(net)
        >>> _ = nn.init.constant_(net.weight, 0.5)
        >>> state_bytes_hash(net) == before
        False
    """
    return hash_state((model.net if isinstance(model, PixelClassifier) else model).state_dict())


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


def check_finite(state: Mapping[str, Tensor], source: str) -> None:
    """Refuse weights that are not numbers.

    Raises:
        ModelError: naming the first tensor with NaN or infinity.
    """
    for name, value in state.items():
        if (value.is_floating_point() or value.is_complex()) and not torch.isfinite(value).all():
            raise ModelError("weights", expected="finite numbers", came=f"NaN or infinity in {name} of {source}")


def load_into(net: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Put weights into a network, or say what does not fit.

    Batch norm's step counts may be absent (old files have none), and so may a tied weight whose twin is there.

    Raises:
        ModelError: keys or shapes differ (the first few are named), or a weight is NaN or infinite.
    """
    own = net.state_dict()
    twins = {value.data_ptr() for name, value in own.items() if name in state}
    absent = [name for name in own if name not in state]
    missing = [name for name in absent if not name.endswith(COUNTER) and own[name].data_ptr() not in twins]
    shapes = [
        f"{name} {list(state[name].shape)} for {list(value.shape)}"
        for name, value in own.items()
        if name in state and state[name].shape != value.shape
    ]
    refuse_differences(missing, [name for name in state if name not in own], shapes, source, len(own))
    check_finite(state, source)
    # missing keys are those allowed above; the dict itself goes in, since it may carry versions of modules
    net.load_state_dict(state, strict=False)


def refuse_differences(
    missing: Sequence[str], unknown: Sequence[str], shapes: Sequence[str], source: str, total: int
) -> None:
    """Say how weights differ from what an architecture of `total` tensors has, if they do.

    Raises:
        ModelError: naming the first few of each kind.
    """
    kinds = (("missing", missing), ("unknown", unknown), ("shapes", shapes))
    parts = [f"{kind}: {_first(names)}" for kind, names in kinds if names]
    if parts:
        came = f"in {source} {'; '.join(parts)}"
        raise ModelError("weights", expected=f"the {total} tensors of the architecture", came=came)


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
