"""Many processes write at once, some are killed while they do: nothing is lost, nothing is doubled, the chain holds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from expunge.evidence.ledger.check import check_ledger
from expunge.evidence.ledger.store import make_ledger, open_ledger
from tests.evidence.ledgers import KEY, opened, received

# a fork has everything imported already; no connection is open across it
FORK = multiprocessing.get_context("fork")
PROCESSES = 8


def started(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    process = FORK.Process(target=work, args=arguments)
    process.start()
    return process


def file_and_close(address: str, worker: int, requests: int) -> None:
    """File requests one by one, and close each in a transaction of its own, as two commands would."""
    ledger = open_ledger(address, lambda: "2026-03-02T00:00:00Z")
    for at in range(requests):
        with ledger.writing() as writer:
            number = writer.received() + 1
            writer.append("request-received", received(number, f"{worker}-{at}"))
        with ledger.writing() as writer:
            writer.append("request-closed", {"request": number, "reason": f"answered by {worker}"})


def everybody_files(address: str, requests: int) -> None:
    share = requests // PROCESSES
    make_ledger(address)
    workers = [started(file_and_close, address, worker, share) for worker in range(PROCESSES)]
    for worker in workers:
        worker.join(900)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    with open_ledger(address, str).reading() as view:
        register = check_ledger(view)
        assert view.head()[0] == 2 * share * PROCESSES
    found = list(register.requests.values())
    assert [request.number for request in found] == list(range(1, share * PROCESSES + 1))
    assert {request.state for request in found} == {"closed"}
    names = [f"{worker}-{at}" for worker in range(PROCESSES) for at in range(share)]
    assert Counter(name for r in found for name in r.names) == Counter(KEY.pseudonyms("subject", names))


def test_eight_processes_file_and_close(address: str) -> None:
    everybody_files(address, 104)


@pytest.mark.torture
def test_eight_processes_file_and_close_a_thousand(address: str) -> None:
    everybody_files(address, 1000)


def migrate_and_file(address: str, worker: int) -> None:
    ledger = opened(address)
    with ledger.writing() as writer:
        writer.append("request-received", received(writer.received() + 1, str(worker)))


def test_a_ledger_is_made_once_however_many_make_it(address: str) -> None:
    workers = [started(migrate_and_file, address, worker) for worker in range(4)]
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    with open_ledger(address, str).reading() as view:
        assert check_ledger(view).received == 4


def test_a_writer_that_is_killed_leaves_a_whole_ledger(address: str) -> None:
    """Whatever was answered stays; whatever was half written is gone; nobody has to unlock anything."""
    make_ledger(address)
    for done, delay in enumerate((0.05, 0.1, 0.2), start=1):
        victim = started(file_and_close, address, int(1000 * delay), 10_000)
        time.sleep(delay)
        os.kill(victim.pid or 0, signal.SIGKILL)
        victim.join()
        file_and_close(address, 0, 1)
        with open_ledger(address, str).reading() as view:
            register = check_ledger(view)
        assert sum(r.reason == "answered by 0" for r in register.requests.values()) == done
        assert sum(r.state == "open" for r in register.requests.values()) <= done, "at most one a victim"


def careless(address: str, worker: int, requests: int) -> None:
    """The planted fault: numbers that were read before the lock was taken."""
    ledger = open_ledger(address, lambda: "2026-03-02T00:00:00Z")
    for at in range(requests):
        with ledger.reading() as view:
            number = view.received() + 1
        time.sleep(0.002)
        with ledger.writing() as writer:
            writer.append("request-received", received(number, f"{worker}-{at}"))


def test_reading_before_the_lock_would_be_noticed(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    make_ledger(address)
    workers = [started(careless, address, worker, 20) for worker in range(4)]
    for worker in workers:
        worker.join(60)
    assert any(worker.exitcode for worker in workers)
    assert "expected the number" in capfd.readouterr().err
    with open_ledger(address, str).reading() as view:
        check_ledger(view)
