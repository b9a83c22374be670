"""Does one job of a bench: trains a model, or runs a method, looks at what came out, and keeps it as a raw row.

A job flows in; files flow out. A method that fails is kept as failed, with its error, and never stops the others.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from expunge.app.desk import Desk
from expunge.app.line import Erasure, unlearn, watch
from expunge.app.measure import plain
from expunge.app.references import Retraining, price
from expunge.app.versions import EXPUNGE, versions
from expunge.bench.jobs import UNTRAINED, Job, Place, after, asked, entry_of, reference_of
from expunge.bench.models import Trained, trained
from expunge.bench.protocol import read_protocol
from expunge.bench.tasks import BenchTask, bench_task, task_key
from expunge.data.requests import Resolution
from expunge.engine.events import Events
from expunge.engine.settings import EngineSettings
from expunge.errors import ExpungeError, Interrupted
from expunge.functional.seeding import derive_seed
from expunge.methods.registry import resolve_method
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import PixelClassifier
from expunge.models.weights import state_bytes_hash
from expunge.types import PictureSet

ENGINE = ("device", "precision", "channels_last", "threads")


def run_job(job: Job, place: Place, settings: EngineSettings, desk: Desk) -> None:
    """Do a job and keep its row.

    Args:
        job: what. place: where. settings: decided. desk: who listens.

    Raises:
        Interrupted: stopped from outside; a training is continued next time.
        ExpungeError: the data or the network cannot be used; a failing method does not raise.
    """
    torch.set_num_threads(settings.threads)
    desk.stage(f"{job.protocol} seed {job.seed}: {job.row}")
    protocol = read_protocol(job.protocol)
    task = bench_task(protocol, protocol.sizes[job.size], job.seed, path=place.data, cache=place.cache)
    _Work(job, task, place, replace(settings, seed=job.seed), desk).run()


@dataclass(frozen=True)
class _Work:
    job: Job
    bench: BenchTask
    place: Place
    settings: EngineSettings
    desk: Desk

    def run(self) -> None:
        job, raw, key = self.job, self.place.raw(self.job.seed), task_key(self.bench.task)
        known, found = raw.task(), self.bench.resolution.findings
        if known is None or known["key"] != key:
            copies = {"copies_moved": len(found.exact_moved), "copies_dropped": len(found.dropped)}
            raw.write_task(self.bench.task, {"key": key, **copies, **self.requests()})
        match job.kind:
            case "sequence":
                self.sequence()
            case "method":
                self.keep(job.row, *self.unlearned(self.original().artefact, self.bench.resolution))
            case _:
                self.keep(job.row, *self.model())

    def keep(self, row: str, model: PixelClassifier | None, more: dict[str, Any]) -> None:
        """Look at what came out, and keep it."""
        engine = {name: getattr(self.settings, name) for name in ENGINE}
        key = task_key(self.bench.task)
        told = {"kind": self.job.kind, "task": key, "expunge": EXPUNGE, "versions": versions(), "engine": engine}
        seen = watch(model, self.bench.task, self.settings) if model is not None else None
        self.place.raw(self.job.seed).write(row, {"asked": asked(self.job), **told, **more}, seen)

    def sequence(self) -> None:
        """A method, request after request, each from the model that the one before left; none after one that failed."""
        model: PixelClassifier | None
        artefact = self.original().artefact
        for number, step in enumerate(self.bench.steps, start=1):
            model, told = self.unlearned(artefact, step)
            if model is None:
                for later in range(number, len(self.bench.steps) + 1):
                    self.keep(after(self.job.row, later), None, told)
                return
            self.keep(after(self.job.row, number), model, told)
            artefact = replace(artefact, classifier=model, weights_sha256=state_bytes_hash(model))

    def model(self) -> tuple[PixelClassifier, dict[str, Any]]:
        """The original, a reference, or a network that never learned anything."""
        if self.job.kind == "reference":
            number, request = reference_of(self.job.row)
            task = self.bench.task if request is None else self.bench.steps[request - 1].task
            made = self.trained(task.retain, self.bench.reference_seed(number - 1))
        else:
            made = self.original()
        if self.job.kind == "untrained":
            return made.artefact.fresh(derive_seed(self.job.seed, UNTRAINED)), {}
        return made.artefact.classifier, {"weights": made.artefact.weights_sha256, "key": made.key, **made.told}

    def requests(self) -> dict[str, Any]:
        """Of a sequence: to which request every forget picture belongs, in their order."""
        number = {name: i for i, step in enumerate(self.bench.steps, start=1) for name in step.task.forget.ids.tolist()}
        return {"requests": [number[name] for name in self.bench.task.forget.ids.tolist()]} if number else {}

    def unlearned(
        self, artefact: ModelArtefact, resolution: Resolution
    ) -> tuple[PixelClassifier | None, dict[str, Any]]:
        """What a method makes of a model; None where it failed."""
        entry = entry_of(self.bench.protocol, self.job.row)
        method, config = resolve_method(entry.method, entry.set)
        told = {"method": method.name, "set": plain(asdict(config)), "original": artefact.weights_sha256}
        retraining = Retraining(artefact, resolution.task.retain, artefact.recipe, None, self.settings)
        erasure = Erasure(
            resolution=resolution,
            artefact=artefact,
            method=method,
            config=config,
            retraining=retraining,
            references=(),
            train=0,
            settings=self.settings,
            key="",
        )
        try:
            model, outcome = unlearn(erasure, None, Events(None), self.desk)
        except Interrupted:
            raise
        except Exception as error:  # whatever a method does, the others go on
            reason = str(error) if isinstance(error, ExpungeError) else f"{type(error).__name__}: {error}"
            self.desk.warn(f"{self.job.row} failed: {reason}")
            return None, {**told, "failed": reason}
        return model, {
            **told,
            "changed": outcome.changed,
            "seconds": outcome.seconds,
            # measured right after, in the same process: what retraining would take under the same load
            "retrain_seconds": price(retraining),
            "phases": plain(outcome.records),
        }

    def original(self) -> Trained:
        return self.trained(self.bench.trained, self.bench.original_seed)

    def trained(self, pictures: PictureSet, seed: int) -> Trained:
        size = self.bench.size
        return trained(
            size.arch,
            pictures,
            self.bench.recipe(seed),
            side=size.side,
            settings=self.settings,
            cache=self.place.cache,
            desk=self.desk,
        )
