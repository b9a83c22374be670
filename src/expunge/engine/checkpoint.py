"""What is needed to continue a killed run, written so that it is either whole or absent.

Plain tensors and numbers only; read back without executing code. Random state is not in it: all randomness
derives from (seed, phase, step).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from expunge.errors import RunDirectoryError

VERSION = 1
State = dict[str, Any]


@dataclass
class RunState:
    """Where a run stands.

    Args:
        key: hash of all that determines the result; another key means another run.
        results: what finished phases answered, in order, as plain dictionaries.
        snapshots: weights kept by name.
        model: weights and buffers now.
        train: inside a `Train` phase: step, optimizer, learned inputs, best weights; else empty.
        seconds: time spent so far in all sessions.
        steps: optimizer steps done in all phases.
        budget_hit: which budget ended the run early, or "".
        events: size of the event log.
        records: cost of finished phases, as plain dictionaries.
    """

    key: str
    results: list[State] = field(default_factory=list)
    snapshots: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    model: dict[str, Tensor] = field(default_factory=dict)
    train: State = field(default_factory=dict)
    seconds: float = 0.0
    steps: int = 0
    budget_hit: str = ""
    events: int = 0
    records: list[State] = field(default_factory=list)


def save(state: RunState, directory: Path) -> None:
    """Replace the checkpoint in `directory` atomically: a crash leaves the old one."""
    directory.mkdir(parents=True, exist_ok=True)
    partial = directory / "state.pt.partial"
    with partial.open("wb") as file:
        torch.save({"version": VERSION, **vars(state)}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(directory / "state.pt")


def load(directory: Path, *, key: str) -> RunState | None:
    """The checkpoint in `directory`, or None where there is none.

    Raises:
        RunDirectoryError: it belongs to another configuration or version, or is not a checkpoint.
    """
    path = directory / "state.pt"
    if not path.exists():
        return None
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
        version = found.pop("version")
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise RunDirectoryError("resume", expected=f"a checkpoint in {path}", came=f"{type(error).__name__}") from error
    if version != VERSION:
        raise RunDirectoryError("resume", expected=f"a checkpoint of version {VERSION}", came=f"version {version}")
    try:
        state = RunState(**found)
    except TypeError:
        raise RunDirectoryError("resume", expected=f"a checkpoint in {path}", came="one with other fields") from None
    if state.key != key:
        raise RunDirectoryError(
            "resume",
            expected="the configuration that the run was started with",
            came="another one",
            remedy="start a new run in another directory",
        )
    return state
