"""Whether weights survive the translation of names between files and networks, there and back.

What a library reported and what it would write flow in; a layout to write with flows out, or one line of refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from expunge.errors import ModelError
from expunge.models.files import Layout, Stored
from expunge.models.weights import COUNTER, refuse_differences


def refuse_report(report: Mapping[str, Any], source: str, total: int) -> None:
    """Turn transformers' report of a loading into an error, if anything did not fit.

    Raises:
        ModelError: naming the first differing keys or shapes.
    """
    missing = sorted(name for name in report["missing_keys"] if not name.endswith(COUNTER))
    shapes = sorted(f"{name} {list(came)} for {list(own)}" for name, came, own in report["mismatched_keys"])
    refuse_differences(missing, sorted(report["unexpected_keys"]), shapes, source, total)


def checked_layout(stored: Stored, back: Mapping[str, Tensor], source: str) -> Layout:
    """The layout of files whose weights would be written back under the same names with the same values.

    Args:
        stored: the files as they came.
        back: the loaded network's weights under the names that would be written.
        source: for people.

    Raises:
        ModelError: names or values would differ, so that a saved model would be no replacement.
    """
    state = stored.state
    unread = {name: value for name, value in state.items() if name not in back}
    twins = {value.data_ptr() for name, value in back.items() if name in state}
    added = [n for n, v in back.items() if n not in state and not n.endswith(COUNTER) and v.data_ptr() not in twins]
    changed = [n for n, v in back.items() if n in state and not torch.equal(state[n].to(v.dtype), v)]
    if added or changed:
        raise ModelError(
            "weights",
            expected=f"names of weights in {source} that transformers writes as it reads them",
            came=f"others: {', '.join((added + changed)[:3])}",
            remedy="load the model with transformers and save it once",
        )
    # transformers has said of the rest that the network does not need them
    return replace(stored.layout, constants=unread)
