"""Decides what `auto` means before a run starts and writes it down, so that a resumed run computes as it began.

Jobs and fingerprints of their inputs flow in; the plain fields of `job.yaml` and the key of the run flow out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from expunge.app.job import ComputeJob, EngineJob, Frozen
from expunge.app.jobfile import job_fields
from expunge.app.rundir import stored_job
from expunge.app.versions import EXPUNGE, versions
from expunge.engine.settings import EngineSettings, decide

JobT = TypeVar("JobT", bound=ComputeJob)
# what `auto` is called, by field of the engine
UNDECIDED: Mapping[str, Any] = {"device": "auto", "precision": "auto", "channels_last": "auto", "threads": 0}


def decided(job: JobT, out: Path | None) -> tuple[JobT, EngineSettings]:
    """The job with every `auto` replaced: by what the run at `out` began with, else by this machine's rule."""
    stored = (stored_job(out) or {}).get("engine", {}) if out is not None else {}
    taken = {
        name: stored[name]
        for name, undecided in UNDECIDED.items()
        if name in stored and getattr(job.engine, name) == undecided
    }
    settings = decide(job.engine.model_copy(update=taken).settings(job.seed))
    torch.set_num_threads(settings.threads)
    engine = EngineJob(**{name: getattr(settings, name) for name in EngineJob.model_fields})
    return job.model_copy(update={"engine": engine}), settings


def freeze(job: ComputeJob, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The fields of `job.yaml`: the job, the versions, and what its inputs were.

    Args:
        job: with all decisions.
        inputs: fingerprints by name, e.g. of the pictures and of the weights.
    """
    frozen = Frozen(expunge=EXPUNGE, versions=versions(), inputs=dict(inputs))
    return job_fields(job.model_copy(update={"frozen": frozen}))


def run_key(fields: Mapping[str, Any]) -> str:
    """One hash of everything that determines a result; checkpoints carry it."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()
