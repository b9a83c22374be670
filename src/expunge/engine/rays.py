"""Jobs done by Ray: on this machine, or on a cluster that is running already.

The same work flows out and the same outcomes flow back as from a pool; Ray itself is imported when it is asked for.
"""

from __future__ import annotations

import ipaddress
import os
import pickle
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from expunge.engine.budget import catching_interrupts
from expunge.engine.jobs import Do, Ended, Heard, Workers, attempt
from expunge.engine.pool import POLL_SECONDS, packed, sendable
from expunge.errors import InputError, Interrupted, Unavailable

INSTALL = "pip install 'expunge[ray]'"
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # what Ray calls it; it means the same on Linux
KNOCK_SECONDS = 5.0


def check_ray(address: str) -> None:
    """Refuse Ray where there is none, before any work is prepared; nothing is started.

    Args:
        address: of a cluster, or "" for one of our own.

    Raises:
        InputError: Ray is not installed, or nobody answers at the address.
    """
    expected = f"a Ray cluster at {address!r}" if address else "Ray"
    try:
        _ray(cluster=bool(address))
        _knock(address)
    except (Unavailable, OSError, ValueError) as error:
        raise InputError("workers", expected=expected, came=str(error)) from None


def ray_jobs(do: Do, jobs: Mapping[str, Any], workers: Workers, heard: Heard) -> Iterator[Ended]:
    """Do all jobs through Ray; every outcome is given as soon as it is there.

    Args:
        do: what is to be done; sent once to each machine. jobs: spec by name. workers: how many at a time.
        heard: who listens.

    Raises:
        Unavailable: Ray is not installed, or there is no cluster at that address.
        InputError: the work cannot be sent.
        Interrupted: SIGINT or SIGTERM arrived; running jobs have been stopped.
    """
    ray = _ray(cluster=bool(workers.address))
    content = packed(do, dumps=ray.cloudpickle.dumps)  # which also knows what a script or a notebook defined
    with _connected(ray, workers), catching_interrupts() as interrupts:
        work = _Work(ray, content, workers, heard)
        waiting = list(jobs.items())
        try:
            while waiting or work.running:
                while waiting and len(work.running) < workers.at_once:
                    work.hand_out(*waiting.pop(0))
                yield from work.heard_since()
                if interrupts:
                    raise Interrupted(f"stopped by {interrupts.name}; what was finished is kept")
        finally:
            work.stop()


class _Work:
    """What is running, and what it says."""

    def __init__(self, ray: Any, content: bytes, workers: Workers, heard: Heard) -> None:
        self.ray, self.threads, self.heard = ray, workers.each, heard
        self.content = ray.put(content)
        # the queue lives in a process of its own, which waits most of the time: no CPU is set aside for it
        self.messages = _queue(actor_options={"num_cpus": 0})
        # a job that died is told, not tried again: whoever started it knows whether that makes sense
        self.remote = ray.remote(num_cpus=workers.each, max_retries=0)(_work)
        self.running: dict[Any, str] = {}

    def hand_out(self, name: str, spec: Any) -> None:
        """Start a job."""
        job = packed((name, spec), dumps=self.ray.cloudpickle.dumps)
        self.running[self.remote.remote(self.content, job, self.messages, self.threads)] = name

    def heard_since(self) -> Iterator[Ended]:
        """Wait a moment; pass on what was told, give what ended."""
        ready, _ = self.ray.wait(list(self.running), timeout=POLL_SECONDS)
        for name, message in self.messages.get_nowait_batch(self.messages.qsize()):
            self.heard(name, message)
        for reference in ready:
            yield self._outcome(reference, self.running.pop(reference))

    def _outcome(self, reference: Any, name: str) -> Ended:
        try:
            found: Ended = pickle.loads(self.ray.get(reference))
            return found
        except self.ray.exceptions.RayError as error:  # the process, its memory or its machine is gone
            return Ended(name, "died", error=f"its process is gone ({type(error).__name__})")

    def stop(self) -> None:
        """End whatever still runs."""
        for reference in self.running:
            self.ray.cancel(reference, force=True)
        self.messages.shutdown(force=True)


def _work(content: bytes, job: bytes, messages: Any, threads: int) -> bytes:
    """One job, in a process of Ray's."""
    name, spec = pickle.loads(job)
    ended = attempt(
        lambda: pickle.loads(content), name, spec, lambda message: messages.put((name, message)), threads=threads
    )
    return packed(sendable(ended))


@contextmanager
def _connected(ray: Any, workers: Workers) -> Iterator[None]:
    """Connected to the cluster at the address, to the one that this process is connected to, or to one of our own."""
    if ray.is_initialized():
        yield  # whoever connected it decides how it listens
        return
    quiet = {"log_to_driver": False, "logging_level": "error"}
    if workers.address:
        try:
            _knock(workers.address)
            ray.init(address=workers.address, **quiet)
        except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            raise Unavailable(f"no Ray cluster at {workers.address!r}: {error}") from error
    else:
        ray.init(address="local", num_cpus=workers.all_threads, include_dashboard=False, **quiet)
    try:
        if not workers.address:
            _check_private(ray)
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Fail now where nobody is there: Ray would go on trying for minutes. Names such as `auto` are Ray's to look up."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()


def _check_private(ray: Any) -> None:
    """Whoever reaches a Ray of ours could run anything here, so it must listen on the loopback device only."""
    address = ray.util.get_node_ip_address()
    if not ipaddress.ip_address(address).is_loopback:
        remedy = f"set {LOOPBACK}=0 before ray is imported, or start a cluster and name its address"
        raise Unavailable(f"a local Ray would listen on {address}: {remedy}")


def _ray(*, cluster: bool) -> Any:
    if not cluster:  # read when ray is imported: on a machine without clusters it binds to the loopback device
        os.environ.setdefault(LOOPBACK, "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise Unavailable(f"Ray is not installed: {INSTALL}, or use the workers 'pool'") from None
    return ray


def _queue(**options: Any) -> Any:
    from ray.util.queue import Queue

    return Queue(**options)
