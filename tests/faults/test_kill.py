"""A run that is killed at any moment ends, once resumed, in exactly the same files, or is visibly unfinished."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from expunge.data.synthetic import write_parquet

DATA = ["--data", "faces.parquet", "--label", "age_group", "--subject", "subject", "--size", "24", "--cache", "cache"]
COMPARED = ("model/model.safetensors", "model/config.json", "model/expunge.json", "metrics.json")


@dataclass(frozen=True)
class Bench:
    """A folder with data, a trained original and a request; and how an erase run there ends if left alone."""

    folder: Path
    seconds: float
    expected: dict[str, str]

    def erase(self, out: str) -> list[str]:
        return command(
            "erase", *DATA, "--model", "original", "--request", "request.csv", "--reference", "none",
            "--method", "dlfd:perturb",
            "--set", "epochs=3", "--set", "probe_every=3", "--seed", "5", "--checkpoint-seconds", "0", "--out", out,
        )  # fmt: skip


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "expunge", *words]


def run(folder: Path, words: list[str]) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def digests(run_directory: Path) -> dict[str, str]:
    return {name: hashlib.sha256((run_directory / name).read_bytes()).hexdigest() for name in COMPARED}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("kill")
    write_parquet(folder / "faces.parquet", subjects=40, pictures_per_subject=6, size=24)
    run(folder, command("train", *DATA, "--arch", "resnet10-quarter", "--epochs", "1", "--out", "original"))
    run(folder, command("draw-request", *DATA, "--share", "0.2", "--out", "request.csv"))
    whole = Bench(folder, 0.0, {})
    start = time.monotonic()
    run(folder, whole.erase("whole"))
    return Bench(folder, time.monotonic() - start, digests(folder / "whole"))


def killed_once(bench: Bench, words: list[str], after: float) -> bool:
    """Start, kill after a while, and say whether it was still running."""
    process = subprocess.Popen(
        words, cwd=bench.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        return True


def kill_and_resume(bench: Bench, seed: int) -> None:
    out = f"killed-{seed}"
    moments = random.Random(seed)
    words, deaths = bench.erase(out), 0
    # the later half of a run is the method and its audits: most kills go there
    while killed_once(bench, words, bench.seconds * moments.uniform(0.3, 1.0)) and deaths < 2:
        deaths += 1
        assert not (bench.folder / out).exists() or digests(bench.folder / out) == bench.expected
        words = [*bench.erase(out), "--resume"]
    if not (bench.folder / out).exists():
        run(bench.folder, [*bench.erase(out), "--resume"])
    assert digests(bench.folder / out) == bench.expected
    assert not (bench.folder / f"{out}.partial").exists()
    shutil.rmtree(bench.folder / out)


@pytest.mark.parametrize("seed", range(5))
def test_killed_and_resumed_ends_the_same(bench: Bench, seed: int) -> None:
    kill_and_resume(bench, seed)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(100, 150))
def test_killed_and_resumed_ends_the_same_fifty_times(bench: Bench, seed: int) -> None:
    kill_and_resume(bench, seed)


def test_another_seed_would_be_noticed(bench: Bench) -> None:
    """The planted fault: what is compared does depend on the run."""
    words = bench.erase("other")
    words[words.index("--seed") + 1] = "6"
    run(bench.folder, words)
    assert digests(bench.folder / "other") != bench.expected
