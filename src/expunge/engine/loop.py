"""Runs a method: takes the phases it yields, one after the other, and can be killed and resumed at any moment.

Resume replays the method's generator, feeding it the recorded results, and continues inside the phase that was
running. A resumed run equals an uninterrupted one bit for bit on the same machine, thread count and versions.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import Accelerator

from expunge.engine import checkpoint
from expunge.engine.budget import Budget, Interrupts, catching_interrupts
from expunge.engine.checkpoint import RunState
from expunge.engine.events import Events
from expunge.engine.outcome import Choice, Outcome, PhaseRecord
from expunge.engine.progress import Costs, Progress
from expunge.engine.settings import EngineSettings, decide
from expunge.engine.training import Trainer, Weights, copy_weights
from expunge.errors import InputError, Interrupted
from expunge.methods.phases import Compute, Edit, Phase, PhaseResult, Phases, Select, Snapshot, Train
from expunge.models.classifier import PixelClassifier, inference_mode_of


def run_phases(
    model: PixelClassifier,
    phases: Phases,
    *,
    settings: EngineSettings,
    key: str = "",
    checkpoints: Path | None = None,
    events: Events | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run all phases of a method on `model`, in place.

    Args:
        model: on any device; ends on the CPU, in inference mode and contiguous layout.
        phases: the method's generator.
        settings: `auto` values are decided here if they were not.
        key: hash of all that determines the result; a checkpoint with another key is refused.
        checkpoints: directory to checkpoint in and to resume from; None keeps nothing.
        events, progress: where to log and to report.

    Raises:
        Interrupted: SIGINT or SIGTERM arrived; a checkpoint was written where there is a place for it.
        RunDirectoryError: the checkpoint belongs to another configuration.
        MethodError: the loss is no longer finite.
    """
    settings = decide(settings)
    with (
        torch.random.fork_rng(),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        catching_interrupts() as interrupts,
    ):
        runner = _Runner(model, settings, key, checkpoints, events or Events(None), interrupts, progress)
        try:
            return runner.run(phases)
        finally:
            model.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
            model.eval()


class _Runner:
    def __init__(
        self,
        model: PixelClassifier,
        settings: EngineSettings,
        key: str,
        checkpoints: Path | None,
        events: Events,
        interrupts: Interrupts,
        progress: Progress | None,
    ) -> None:
        self.settings, self.checkpoints, self.events = settings, checkpoints, events
        self.interrupts, self.progress = interrupts, progress
        self.accelerator = Accelerator(cpu=torch.device(settings.device).type == "cpu")
        if settings.accumulate < 1 or settings.accumulate % self.accelerator.num_processes:
            raise InputError(
                "accumulate",
                expected=f"a multiple of the number of processes ({self.accelerator.num_processes})",
                came=str(settings.accumulate),
                remedy="micro-batches are dealt out to processes, so that their number never changes the result",
            )
        self.start = copy_weights(model)
        found = checkpoint.load(checkpoints, key=key) if checkpoints is not None else None
        self.state = found or RunState(key)
        self.model = model.to(settings.device)
        self.model.to(memory_format=settings.layout)  # type: ignore[call-overload]
        self.budget = Budget(settings, steps=self.state.steps, seconds=self.state.seconds)
        self.saved_at = time.monotonic()
        if found is not None:
            self.model.load_state_dict(found.model)
            events.rewind(found.events)
            events.write("resumed", phases=len(found.results), step=found.train.get("step", 0))

    def run(self, phases: Phases) -> Outcome:
        phase = next(phases, None)
        number = 0
        while phase is not None:
            if number == len(self.state.results):
                self._finish_phase(phase, *self._run_phase(phase))
            result = PhaseResult(**self.state.results[number])
            number += 1
            try:
                phase = phases.send(result)
            except StopIteration:
                phase = None
        return Outcome(
            steps=self.state.steps,
            seconds=self.budget.seconds,
            budget_hit=self.state.budget_hit,
            changed=differs(self.start, copy_weights(self.model)),
            records=tuple(PhaseRecord(**r) for r in self.state.records),
            choices=tuple(
                Choice(record["name"], result["selected"], result["measured"])
                for record, result in zip(self.state.records, self.state.results, strict=True)
                if result["selected"]
            ),
        )

    def _run_phase(self, phase: Phase) -> tuple[PhaseResult, Costs]:
        if not self.state.train:
            self.events.write("phase_start", name=phase.name, phase_kind=type(phase).__name__)
        start = time.monotonic()
        if isinstance(phase, Train):
            return self._train(phase)
        with inference_mode_of(self.model):
            result = self._one_shot(phase)
        seconds = time.monotonic() - start
        return result, Costs(seconds, seconds, 0)

    def _train(self, phase: Train) -> tuple[PhaseResult, Costs]:
        trainer = Trainer(
            phase,
            self.model,
            accelerator=self.accelerator,
            settings=self.settings,
            budget=self.budget,
            events=self.events,
        )
        if self.state.train:
            trainer.restore(self.state.train)
        result = trainer.run(lambda: self._pause(trainer), self.progress)
        if result.reason == "budget":
            self.state.budget_hit = self.budget.exceeded()
        return result, trainer.costs

    def _one_shot(self, phase: Compute | Edit | Snapshot | Select) -> PhaseResult:
        if isinstance(phase, Compute):
            before = copy_weights(self.model)
            tensors = {n: t.detach().cpu() for n, t in phase.fn(self.model).items()}
            self.model.load_state_dict(before)
            return PhaseResult(tensors=tensors)
        if isinstance(phase, Edit):
            with torch.no_grad():
                phase.fn(self.model)
            return PhaseResult()
        if isinstance(phase, Snapshot):
            self.state.snapshots[phase.name] = copy_weights(self.model)
            return PhaseResult()
        return self._select(phase)

    def _select(self, phase: Select) -> PhaseResult:
        measured = {}
        for name in phase.names:
            self.model.load_state_dict(self.state.snapshots[name])
            with torch.no_grad():
                measured[name] = {key: float(value) for key, value in phase.score(self.model).items()}
        best = max(measured, key=lambda name: measured[name]["score"])
        self.model.load_state_dict(self.state.snapshots[best])
        return PhaseResult(selected=best, measured=measured)

    def _finish_phase(self, phase: Phase, result: PhaseResult, costs: Costs) -> None:
        record = PhaseRecord(
            phase.name,
            type(phase).__name__,
            result.steps,
            result.reason,
            costs.seconds,
            costs.model_seconds,
            costs.pictures,
        )
        self.state.results.append({**vars(result), "probe": dict(result.probe), "tensors": dict(result.tensors)})
        self.state.records.append(asdict(record))
        self.state.train = {}
        self.events.write(
            "phase_end",
            name=phase.name,
            steps=result.steps,
            reason=result.reason,
            seconds=round(costs.seconds, 3),
            model_seconds=round(costs.model_seconds, 3),
            pictures=costs.pictures,
        )
        self._save()

    def _pause(self, trainer: Trainer) -> None:
        due = time.monotonic() - self.saved_at >= self.settings.checkpoint_seconds
        if due or self.interrupts:
            self._save(trainer)
        if self.interrupts:
            self.events.write("interrupted", signal=self.interrupts.name, phase=trainer.phase.name, step=trainer.step)
            raise Interrupted(
                f"stopped by {self.interrupts.name} in phase {trainer.phase.name!r} at step {trainer.step}; "
                "continue with --resume"
            )

    def _save(self, trainer: Trainer | None = None) -> None:
        self.state.steps, self.state.seconds = self.budget.steps, self.budget.seconds
        if self.checkpoints is None or not self.accelerator.is_main_process:
            return
        self.state.model = copy_weights(self.model)
        self.state.train = trainer.state() if trainer is not None else {}
        self.state.events = self.events.size()
        checkpoint.save(self.state, self.checkpoints)
        self.saved_at = time.monotonic()


def differs(before: Weights, after: Weights) -> bool:
    """Whether any tensor changed, bit by bit."""
    return any(not torch.equal(before[name], after[name]) for name in before)
