"""Drawing random numbers from a seed without anybody else noticing.

Python's, NumPy's and torch's global generators are set inside and put back afterwards, since factories use them all.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Everything drawn inside follows from `seed`; outside, all global generators go on as if nothing had happened.

    Example:
        >>> with seeded(3):
        ...     first = torch.rand(1)
        >>> with seeded(3):
        ...     torch.equal(first, torch.rand(1))
        True
    """
    kept, numbers = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(kept)
            np.random.set_state(numbers)
