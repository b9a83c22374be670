"""The same jobs give the same numbers wherever they are done, and no job takes another one along."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch

from expunge.engine.jobs import Ended, Kind, Workers
from expunge.engine.launch import launch
from expunge.errors import InputError, Interrupted, Unavailable
from tests.engine.launching import Spec, Work

RAY = pytest.param(
    "ray", marks=pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
)
GOOD = {f"draw {seed}": Spec(seed) for seed in range(4)}
BAD = {what: Spec(0, what) for what in ("raise", "refuse", "die", "unsendable")}
ROOT = Path(__file__).parents[2]
SECONDS = 120.0  # that a process may take to start on a busy machine


@pytest.fixture(scope="module")
def here() -> dict[str, Ended]:
    """What the good jobs answer in this process."""
    return {ended.name: ended for ended in launch(Work(64, os.getpid()), GOOD, Workers("in-process", threads=1))}


@pytest.fixture(scope="module", params=["pool", RAY])
def elsewhere(request: pytest.FixtureRequest) -> tuple[dict[str, Ended], list[tuple[str, str]]]:
    """All jobs, the bad ones in between, by two workers; and what they told. Processes start once for all tests."""
    jobs: Mapping[str, Spec] = {"draw 3": GOOD["draw 3"], **BAD, **GOOD}
    told: list[tuple[str, str]] = []
    found = launch(
        Work(64, os.getpid()), jobs, Workers(request.param, 2, 2), heard=lambda name, text: told.append((name, text))
    )
    return {ended.name: ended for ended in found}, told


def test_the_numbers_are_the_same(
    here: dict[str, Ended], elsewhere: tuple[dict[str, Ended], list[tuple[str, str]]]
) -> None:
    for name in GOOD:
        assert elsewhere[0][name].how == "done" and torch.equal(elsewhere[0][name].value, here[name].value)
    assert not torch.equal(here["draw 0"].value, here["draw 1"].value)


@pytest.mark.parametrize(
    ("name", "how", "reason"),
    [
        ("raise", "failed", "ValueError: a bug"),
        ("refuse", "failed", "seed: expected another, came this"),
        ("die", "died", "process"),
        ("unsendable", "failed", "its answer: workers: expected work that can be sent"),
    ],
)
def test_a_job_that_goes_wrong_is_told_with_its_reason(
    elsewhere: tuple[dict[str, Ended], list[tuple[str, str]]], name: str, how: str, reason: str
) -> None:
    ended = elsewhere[0][name]
    assert ended.how == how and reason in ended.error and ended.value is None


def test_what_jobs_tell_arrives_and_threads_are_shared_out(
    elsewhere: tuple[dict[str, Ended], list[tuple[str, str]]],
) -> None:
    # a process that is killed may take its last words along
    assert {pair for pair in elsewhere[1] if pair[0] != "die"} == {
        (name, "threads 1") for name in {*GOOD, *BAD} - {"die"}
    }


def test_in_this_process_a_bug_is_told_and_threads_are_put_back(here: dict[str, Ended]) -> None:
    before, told = torch.get_num_threads(), list[str]()
    jobs = {"raise": BAD["raise"], **GOOD}
    found = list(
        launch(
            Work(64, os.getpid()), jobs, Workers("in-process", threads=before + 1), heard=lambda _, t: told.append(t)
        )
    )
    assert [ended.how for ended in found] == ["failed", *(["done"] * 4)]
    assert told == [f"threads {before + 1}"] * 5 and torch.get_num_threads() == before


def test_threads_are_shared_out_and_never_overdrawn() -> None:
    assert [Workers("pool", count, 8).each for count in (0, 1, 2, 3, 8)] == [1, 8, 4, 2, 1]
    assert Workers("in-process", 2, 8).each == 8 and Workers("pool", 0, 8).at_once == 8
    with pytest.raises(InputError, match="at most one worker per CPU thread"):
        Workers("pool", 3, 2)


@pytest.mark.parametrize("kind", ["pool", RAY])
def test_work_that_cannot_be_sent_is_refused(kind: Kind) -> None:
    lock = threading.Lock()
    with pytest.raises(InputError, match="in-process"):
        list(launch(lambda spec, tell: lock, {"a": 1}, Workers(kind, 1, 1)))


@dataclass(frozen=True)
class Cluster:
    """A Ray that was started by somebody else, and what whoever joins it must know."""

    address: str
    environment: Mapping[str, str]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster on the loopback device, with a token of its own; it must still be there afterwards."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    environment = {**os.environ, **secret, "PYTHONPATH": str(ROOT), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2"]
    quiet = ["--include-dashboard=false", "--disable-usage-stats", "--node-ip-address=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen(
        [*command, *quiet], env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and any("Ray runtime started" in line for line in process.stdout)
        yield Cluster(f"127.0.0.1:{port}", environment)
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # on SIGTERM it would wait half a minute for its tasks
        process.wait(SECONDS)


JOIN = """
import sys
import torch
from expunge.engine.jobs import Workers
from expunge.engine.launch import launch
from tests.engine.launching import Spec, Work

jobs = {f"draw {seed}": Spec(seed) for seed in range(4)}
found = launch(Work(64, 0), jobs, Workers("ray", 2, 2, address=sys.argv[1]))
torch.save({ended.name: ended.value for ended in found}, sys.argv[2])
"""


def test_on_a_running_cluster_the_numbers_are_the_same(
    tmp_path: Path, here: dict[str, Ended], cluster: Cluster
) -> None:
    words = [sys.executable, "-c", JOIN, cluster.address, str(tmp_path / "found.pt")]
    subprocess.run(words, env=cluster.environment, check=True, timeout=SECONDS)
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    assert set(found) == set(GOOD) and all(torch.equal(found[name], here[name].value) for name in GOOD)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:ray"])
def test_an_address_where_nobody_answers_is_refused_at_once(address: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(Unavailable, match=f"no Ray cluster at '{address}'"):
        list(launch(Work(2, 0), {"a": Spec()}, Workers("ray", 1, 1, address=address)))


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Unavailable, match=r"pip install 'expunge\[ray\]'"):
        list(launch(Work(2, 0), {"a": Spec()}, Workers("ray", 1, 1)))


def test_an_interruption_of_a_job_in_this_process_is_one_of_the_whole() -> None:
    def stop(_spec: int, _tell: object) -> None:
        raise Interrupted("stopped by SIGTERM")

    with pytest.raises(Interrupted, match="SIGTERM"):
        list(launch(stop, {"a": 1}, Workers("in-process", threads=1)))


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("pool", signal.SIGTERM),
        ("pool", signal.SIGKILL),
        pytest.param("ray", signal.SIGTERM, marks=RAY.marks),
    ],
)
def test_nobody_survives_the_end_of_the_parent(tmp_path: Path, kind: Kind, number: signal.Signals) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    words = [sys.executable, "-m", "tests.engine.launching", kind, *map(str, places)]
    parent = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    until(lambda: all(place.exists() for place in places) or parent.poll() is not None)
    children = [psutil.Process(int(place.read_text())) for place in places]
    parent.send_signal(number)
    _, errors = parent.communicate(timeout=SECONDS)
    until(lambda: not any(alive(child) for child in children))
    assert parent.returncode != 0
    if number != signal.SIGKILL:
        assert f"Interrupted: stopped by {number.name}" in errors


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def until(happened: object) -> None:
    end = time.monotonic() + SECONDS
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
