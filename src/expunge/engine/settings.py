"""How the engine computes: device, precision, memory layout, accumulation, budget.

`auto` is replaced by rules that were measured, once, before a run starts; the answer is written down with the
run, so that a resumed run computes as it began.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from expunge.errors import InputError


@dataclass(frozen=True)
class EngineSettings:
    """Everything about a computation that is not the method.

    Args:
        seed: of the run; all randomness derives from it.
        device: `auto`, or a torch device such as `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto`, `fp32` or `bf16` (autocast; weights stay float32).
        channels_last: memory layout of pictures and convolutions: `auto`, `on`, `off`.
        accumulate: micro-batches per optimizer step; a multiple of the number of processes.
        threads: CPU threads, 0 for torch's own choice.
        max_seconds, max_steps: budget for all phases together, or None.
        checkpoint_seconds: time between checkpoints (0 for every step).
    """

    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: Literal["auto", "on", "off"] = "auto"
    accumulate: int = 1
    threads: int = 0
    max_seconds: float | None = None
    max_steps: int | None = None
    checkpoint_seconds: float = 20.0

    @property
    def dtype(self) -> torch.dtype:
        """The autocast type; float32 means no autocast."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    @property
    def layout(self) -> torch.memory_format:
        """Memory format of pictures and convolution weights."""
        return torch.channels_last if self.channels_last == "on" else torch.contiguous_format


def decide(settings: EngineSettings) -> EngineSettings:
    """Replace every `auto` by this machine's rule.

    Rules (measured in benchmarks/precision.py): a CPU with AMX or AVX-512 BF16 trains a ResNet about twice as fast in
    bf16 with channels_last as in fp32; without these instructions bf16 is emulated and slower. A GPU from compute
    capability 8 on has bf16 tensor cores. Everything else computes in fp32.
    """
    device = settings.device if settings.device != "auto" else _device()
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise InputError("device", expected="a torch device such as cpu or cuda", came=repr(device)) from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError("device", expected="a device of this machine", came=repr(device), remedy="use --device cpu")
    fast = _fast_bf16(kind)
    return replace(
        settings,
        device=device,
        precision=settings.precision if settings.precision != "auto" else ("bf16" if fast else "fp32"),
        channels_last=settings.channels_last if settings.channels_last != "auto" else ("on" if fast else "off"),
        threads=settings.threads or torch.get_num_threads(),
    )


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def _fast_bf16(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    if kind == "cpu":
        flags: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch cannot tell: fp32
        return bool(flags.get("avx512_bf16", False) or flags.get("amx_bf16", False))
    return False
