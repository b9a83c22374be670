"""One launcher for many independent jobs: in this process, in a pool of local processes, or through Ray.

A function and frozen specs flow in, outcomes flow out in the order in which jobs end. The call is the same everywhere,
and so are the numbers: a job knows nothing but its spec, and takes all randomness from the seed in it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from expunge.engine.jobs import Do, Ended, Heard, Workers, attempt
from expunge.engine.pool import Pool
from expunge.engine.rays import check_ray, ray_jobs
from expunge.errors import Interrupted

__all__ = ["Do", "Ended", "Heard", "Workers", "check_workers", "launch"]


def check_workers(workers: Workers) -> None:
    """Refuse workers that cannot be had, before anything is prepared for them.

    Raises:
        InputError: saying what is missing.
    """
    if workers.kind == "ray":
        check_ray(workers.address)


def launch(do: Do, jobs: Mapping[str, Any], workers: Workers, *, heard: Heard | None = None) -> Iterator[Ended]:
    """Do all jobs, and give each outcome as soon as it is there.

    A job that fails, or whose process dies, is reported and never stops the others. Leaving the iteration ends all
    workers.

    Args:
        do: called as `do(spec, tell)`; outside this process it must be picklable, and is sent to each worker once.
        jobs: spec by name; picklable too. A name tells a job apart, whatever the order.
        workers: who does them.
        heard: called as `heard(name, message)` with what a job tells.

    Raises:
        Interrupted: SIGINT or SIGTERM arrived; all workers have been stopped.
        InputError: the work cannot be sent to another process.
        Unavailable: Ray was asked for and is not installed, or not to be reached.

    Example:
        >>> found = launch(lambda spec, tell: spec**2, {"a": 2, "b": 3}, Workers("in-process"))
        >>> {ended.name: ended.value for ended in found}
        {'a': 4, 'b': 9}
    """
    told = heard or _nobody
    if workers.kind == "ray":
        return ray_jobs(do, jobs, workers, told)
    if workers.kind == "pool":
        return Pool(do, workers, told).run(jobs)
    return _in_turn(do, jobs, workers, told)


def _in_turn(do: Do, jobs: Mapping[str, Any], workers: Workers, heard: Heard) -> Iterator[Ended]:
    for name, spec in jobs.items():
        before = torch.get_num_threads()
        try:
            ended = attempt(lambda: do, name, spec, functools.partial(heard, name), threads=workers.each)
        finally:
            torch.set_num_threads(before)
        if ended.how == "interrupted":
            raise Interrupted(ended.error)
        yield ended


def _nobody(_name: str, _message: Any) -> None:
    """Nobody listens."""
