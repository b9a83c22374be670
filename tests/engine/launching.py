"""Work for the launcher, in a module of its own so that other processes can import it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from expunge.engine.jobs import Kind, Tell, Workers
from expunge.engine.launch import launch
from expunge.errors import InputError
from expunge.functional.seeding import generator


@dataclass(frozen=True)
class Spec:
    """What a job is to do: `draw` numbers from its seed, or go wrong in one way or another."""

    seed: int = 0
    what: str = "draw"


@dataclass(frozen=True)
class Work:
    """Sent to each worker once. `never` is the process that must survive every job."""

    size: int
    never: int

    def __call__(self, spec: Spec, tell: Tell) -> Any:
        tell(f"threads {torch.get_num_threads()}")
        if spec.what == "raise":
            raise ValueError("a bug")
        if spec.what == "refuse":
            raise InputError("seed", expected="another", came="this")
        if spec.what == "die" and os.getpid() != self.never:
            os.kill(os.getpid(), signal.SIGKILL)
        if spec.what == "unsendable":
            return threading.Lock()
        a = torch.randn(self.size, self.size, generator=generator(spec.seed, "a"))
        return torch.linalg.matmul(a, a).sum(0)


def linger(place: str, tell: Tell) -> None:
    """Leave one's process id behind, then take very long."""
    path = Path(place)
    path.with_suffix(".part").write_text(str(os.getpid()))
    path.with_suffix(".part").rename(path)
    time.sleep(600)


def main(kind: Kind, *places: str) -> None:
    """A process that waits for two jobs that never end."""
    for _ in launch(linger, {place: place for place in places}, Workers(kind, 2, 2)):
        raise AssertionError("a job ended")


if __name__ == "__main__":
    main(sys.argv[1], *sys.argv[2:])  # type: ignore[arg-type]
