"""Runs one `Train` phase: the only place in the project where an optimizer steps.

Batches, loss and stop rule come from the method; device, precision, micro-batches, processes and time are ours.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from expunge.engine.budget import Budget
from expunge.engine.events import Events
from expunge.engine.optimizers import learning_rate, make_optimizer
from expunge.engine.progress import Costs, Progress, ProgressReport
from expunge.engine.settings import EngineSettings
from expunge.engine.streams import Stream, batch_seed
from expunge.errors import MethodError
from expunge.functional.seeding import derive_seed
from expunge.methods.phases import Batch, Labelled, PhaseResult, Train, planned_steps
from expunge.models.classifier import PixelClassifier, inference_mode_of
from expunge.models.modes import untrained

Weights = dict[str, Tensor]


@dataclass
class Best:
    """The best weights that a probe's `keep` rule has seen."""

    score: float = -math.inf
    weights: Weights = field(default_factory=dict)


def copy_weights(model: nn.Module) -> Weights:
    """A copy of all weights and buffers on the CPU."""
    return {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}


class Trainer:
    """One `Train` phase on one model.

    Args:
        phase: what to do. model: changed in place.
        accelerator, settings: how to compute. budget: shared by all phases. events: where to log.
    """

    def __init__(
        self,
        phase: Train,
        model: PixelClassifier,
        *,
        accelerator: Accelerator,
        settings: EngineSettings,
        budget: Budget,
        events: Events,
    ) -> None:
        self.phase, self.model, self.accelerator = phase, model, accelerator
        self.settings, self.budget, self.events = settings, budget, events
        self.device = torch.device(settings.device)
        self.streams = {n: Stream(s, settings.seed, phase.name, n) for n, s in phase.sources.items()}
        self.inputs = {n: t.detach().clone().to(self.device).requires_grad_() for n, t in (phase.inputs or {}).items()}
        trained: list[Tensor] = list(self.inputs.values()) or list(self._parameters())
        self._flags = [(p, p.requires_grad) for p in model.parameters()]
        chosen = {id(t) for t in trained}
        for parameter, _ in self._flags:
            parameter.requires_grad_(id(parameter) in chosen)
        self.optimizer = make_optimizer(trained, phase.optimizer)
        self.optimizer.zero_grad(set_to_none=True)  # nothing that was left in the model may count
        self.wrapped: nn.Module = model
        if accelerator.num_processes > 1 and not self.inputs:
            self.wrapped = accelerator.prepare_model(model)
        self.planned = self._planned_steps()
        self.steps = budget.plan(self.planned)
        self.step, self.probe, self.best, self.costs = 0, dict[str, float](), Best(), Costs()
        self.notes: dict[str, float] = {}

    def run(self, pause: Callable[[], None], progress: Progress | None) -> PhaseResult:
        """Step to the end of the phase; `pause` is called after every step and may checkpoint or raise."""
        start, reason = time.monotonic(), "complete"
        last_report = 0.0
        while self.step < self.steps:
            if self._probe_says_stop():
                reason = "stopped"
                break
            if (hit := self.budget.exceeded()) == "max_seconds":
                reason = "budget"
                self.events.write("budget", limit=hit, phase=self.phase.name, step=self.step)
                break
            self._one_step()
            self.costs.seconds = time.monotonic() - start
            if progress is not None and (time.monotonic() - last_report > 0.2 or self.step == self.steps):
                progress(self._report())
                last_report = time.monotonic()
            pause()
        if reason == "complete" and self.steps < self.planned:
            reason = "budget"
        self._finish(reason)
        tensors = {n: t.detach().cpu() for n, t in self.inputs.items()}
        return PhaseResult(steps=self.step, reason=reason, probe=dict(self.probe), tensors=tensors)

    def state(self) -> dict[str, Any]:
        """Plain data to continue from."""
        return {
            "step": self.step,
            "optimizer": self.optimizer.state_dict(),
            "inputs": {n: t.detach().cpu() for n, t in self.inputs.items()},
            "probe": dict(self.probe),
            "best": vars(self.best),
            "costs": vars(self.costs),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned; the model's weights are restored by the caller."""
        self.step, self.probe, self.best = state["step"], dict(state["probe"]), Best(**state["best"])
        self.optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            for name, tensor in state["inputs"].items():
                self.inputs[name].copy_(tensor)

    def _planned_steps(self) -> int:
        if self.phase.steps is not None:
            return self.phase.steps
        source = self.phase.sources[self.phase.epoch_of]
        per_step = source.batch_size * self.settings.accumulate
        return planned_steps(self.phase.epochs or 0, len(source.pictures), per_step)

    def _parameters(self) -> list[nn.Parameter]:
        chosen = self.phase.parameters
        return list(self.model.parameters() if chosen is None else chosen(self.model))

    def _one_step(self) -> None:
        # dropout and friends draw from torch's global generator; seeded per step, resume needs no saved state
        torch.manual_seed(derive_seed(self.settings.seed, self.phase.name, "global", self.step))
        self._set_modes()
        lr = learning_rate(self.phase.optimizer, self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        loss = sum(self._micro_batch(m) for m in self._micro_batches())
        start = time.monotonic()
        if self.phase.optimizer.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], self.phase.optimizer.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.costs.model_seconds += time.monotonic() - start
        if self.step % max(1, self.planned // 100) == 0 or self.step + 1 == self.steps:
            self._log(float(loss), lr)
        self.step += 1
        self.budget.steps += 1
        source = self.phase.sources[self.phase.epoch_of]
        self.costs.pictures += source.batch_size * self.settings.accumulate

    def _set_modes(self) -> None:
        # at every step: a loss may have changed them, and a resumed run starts in the middle
        self.wrapped.train(self.phase.train_mode)
        if self.phase.parameters is not None and self.phase.freeze_statistics:
            for module in untrained(self.model):
                module.training = False  # of this module alone: its parts answer for themselves

    def _micro_batches(self) -> range:
        # micro-batches are the same whatever the number of processes; they are dealt out in turn
        return range(self.accelerator.process_index, self.settings.accumulate, self.accelerator.num_processes)

    def _micro_batch(self, micro: int) -> Tensor:
        number = (self.phase.first_step + self.step) * self.settings.accumulate + micro
        parts = {n: s.read(number, self.device, self.settings.layout) for n, s in self.streams.items()}
        empty = torch.empty(0, 0, dtype=torch.int64)
        parts |= {n: Labelled(t, empty, empty) for n, t in self.inputs.items()}
        seed = batch_seed(self.settings.seed, self.phase.name, number)
        batch = Batch(parts, self.step, self.step / self.steps, self.probe, seed, self.notes)
        start = time.monotonic()
        last = micro + self.accelerator.num_processes >= self.settings.accumulate
        with nullcontext() if last else self.accelerator.no_sync(self.wrapped):
            with torch.autocast(self.device.type, self.settings.dtype, enabled=self.settings.precision == "bf16"):
                loss = self.phase.loss(self.wrapped, batch)
            # processes are averaged by the wrapper, micro-batches by us: the result is the mean over all of them
            self.accelerator.backward(loss * (self.accelerator.num_processes / self.settings.accumulate))
        loss = loss.detach().float() / len(self._micro_batches())  # the graph is freed here, which takes its time
        self.costs.model_seconds += time.monotonic() - start
        return loss

    def _log(self, loss: float, lr: float) -> None:
        self.notes["loss"] = loss
        if not math.isfinite(loss):
            raise MethodError(
                "lr",
                expected=f"a finite loss in phase {self.phase.name!r}",
                came=f"{loss} at step {self.step}",
                remedy="lower the learning rate, or clip gradients",
            )
        self.events.write("step", phase=self.phase.name, step=self.step, lr=round(lr, 8), notes=dict(self.notes))

    def _probe_says_stop(self) -> bool:
        probe = self.phase.probe
        if probe is None or self.step < probe.start or (self.step - probe.start) % probe.every:
            return False
        self._measure()
        return probe.stop is not None and probe.stop(self.probe)

    def _measure(self) -> None:
        probe = self.phase.probe
        assert probe is not None
        with (
            inference_mode_of(self.model),
            torch.no_grad(),
            torch.autocast(self.device.type, self.settings.dtype, enabled=self.settings.precision == "bf16"),
        ):
            values = dict(probe.measure(self.model))
        self.probe = self._agreed(values)
        self.events.write("probe", phase=self.phase.name, step=self.step, values=dict(self.probe))
        score = probe.keep(self.probe) if probe.keep is not None else None
        if score is not None and score > self.best.score:
            self.best = Best(float(score), copy_weights(self.model))

    def _agreed(self, values: dict[str, float]) -> dict[str, float]:
        if self.accelerator.num_processes == 1:
            return values
        shared: list[dict[str, float]] = broadcast_object_list([values])
        return shared[0]

    def _finish(self, reason: str) -> None:
        probe = self.phase.probe
        if probe is not None and reason != "stopped" and (probe.final or probe.keep is not None) and self.steps:
            self._measure()
        if self.best.weights:
            self.model.load_state_dict(self.best.weights)
        if self.wrapped is not self.model:
            self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        for parameter, flag in self._flags:
            parameter.requires_grad_(flag)
        self.optimizer.zero_grad(set_to_none=True)

    def _report(self) -> ProgressReport:
        rate = self.costs.pictures / max(self.costs.seconds, 1e-9)
        source = self.phase.sources[self.phase.epoch_of]
        left = (self.steps - self.step) * source.batch_size * self.settings.accumulate / rate if rate else None
        return ProgressReport(self.phase.name, self.step, self.steps, rate, left, dict(self.notes))
