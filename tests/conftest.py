"""What all tests share: few threads, no network, and real faces where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

# before anything imports torch or the Hugging Face libraries; processes that tests start inherit it
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis
import pytest
import torch

ROOT = Path(__file__).parents[1]

torch.set_num_threads(1)
torch.manual_seed(0)  # networks that parametrize makes while tests are collected
# derandomized: the same examples on every machine; no deadline, since the machine may be busy with other tests
hypothesis.settings.register_profile("expunge", deadline=None, derandomize=True, max_examples=30, database=None)
hypothesis.settings.load_profile("expunge")


@pytest.fixture(autouse=True)
def _same_numbers_on_every_run() -> None:
    """Fresh weights are drawn from torch's own generator, whose first seed is a new one in every process."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def faces() -> Path:
    """The folder of real faces (`EXPUNGE_FACES`); the test is skipped where there is none."""
    folder = Path(os.environ.get("EXPUNGE_FACES", ROOT.parent / "shared" / "faces"))
    if not (folder / "mufac.parquet").exists():
        pytest.skip("real faces are not here (EXPUNGE_FACES names their folder)")
    return folder
