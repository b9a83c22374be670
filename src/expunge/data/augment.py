"""Stand-in."""
from __future__ import annotations
import torch
from torch import Tensor
from expunge.types import Augmentation
def augment(x: Tensor, spec: Augmentation, generator: torch.Generator) -> Tensor:
    flip = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(flip.view(-1,1,1,1), x.flip(3), x)
