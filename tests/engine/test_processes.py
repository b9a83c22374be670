"""Two processes do the same work as one: micro-batches are dealt out, so their number never changes the result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = """
import sys
import torch
from expunge.engine.loop import run_phases
from expunge.engine.settings import EngineSettings
from expunge.methods.phases import Context
from expunge.methods.registry import resolve_method
from tests.helpers import net, task

torch.set_num_threads(1)
given = task()
model = net(given.retain.spec, dropout=0.0)
method, config = resolve_method(sys.argv[2], {"batch_size": 8, "epochs": 2})
context = Context(given.steering, lambda: net(given.retain.spec), lambda s: net(given.retain.spec, seed=s), None, 0)
settings = EngineSettings(seed=1, precision="fp32", channels_last="off", accumulate=int(sys.argv[3]))
outcome = run_phases(model, method.phases(config, context), settings=settings)
if int(__import__("os").environ.get("RANK", "0")) == 0:
    torch.save(model.state_dict(), sys.argv[1])
"""


def weights(tmp_path: Path, processes: int, method: str, accumulate: int = 2) -> dict[str, torch.Tensor]:
    script, out = tmp_path / "script.py", tmp_path / f"{method}-{processes}.pt"
    script.write_text(SCRIPT)
    launch = [] if processes == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "GLOO_SOCKET_IFNAME": "lo"}
    words = [sys.executable, *launch, str(script), str(out), method, str(accumulate)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, torch.Tensor] = torch.load(out, weights_only=True)
    return found


def trained(found: dict[str, torch.Tensor]) -> torch.Tensor:
    """All weights in one row; running statistics are left out: each process sees its own batches only."""
    return torch.cat([v.flatten() for k, v in found.items() if "running" not in k and "tracked" not in k])


@pytest.mark.parametrize(("method", "tolerance"), [("finetune", 1e-4), ("dlfd", 2e-2)])
def test_two_processes_end_where_one_does(tmp_path: Path, method: str, tolerance: float) -> None:
    """Up to rounding; and where a method reads batch norm's statistics while training, up to these."""
    one, two = (trained(weights(tmp_path, processes, method)) for processes in (1, 2))
    assert float((one - two).norm() / one.norm()) < tolerance


def test_micro_batches_that_cannot_be_dealt_out_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="multiple of the number of processes"):
        weights(tmp_path, 2, "finetune", accumulate=1)
