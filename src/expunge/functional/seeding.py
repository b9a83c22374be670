"""Seeds from names: every random choice follows from the run's seed and what it is for, never from what ran before.

That is what lets a killed run continue as if nothing had happened: no generator state has to be saved.
"""

from __future__ import annotations

import hashlib

import torch


def derive_seed(seed: int, *parts: str | int) -> int:
    """A 63-bit seed for one purpose, e.g. `derive_seed(0, "forget", "order", 3)`.

    Example:
        >>> derive_seed(0, "a", 1) == derive_seed(0, "a", 1), derive_seed(0, "a") == derive_seed(1, "a")
        (True, False)
    """
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *parts: str | int) -> torch.Generator:
    """A CPU generator seeded for one purpose."""
    made = torch.Generator()
    made.manual_seed(derive_seed(seed, *parts))
    return made
