"""The work that the published DLFD code does, written anew from its description, as the other side of comparisons.

Per inner step: three forward passes with all parameters differentiated, 50 Sinkhorn iterations on a broadcast
cosine cost, one backward pass into parameters and noise. Per batch: a training step, then accuracies and losses over
retain, forget and unseen pictures and two kinds of logistic regression. Stop rules are left out on both sides.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

Set = tuple[Tensor, Tensor]


def sinkhorn_cost(a: Tensor, b: Tensor, *, eta: float = 0.01, iterations: int = 50) -> Tensor:
    """Transport cost with the plan unrolled in the gradient."""
    cost = (1 - cosine_similarity(a[:, None], b[None], dim=2)).clamp(min=0)
    u, v = torch.zeros(len(a)), torch.zeros(len(b))
    for _ in range(iterations):
        u = u - eta * (torch.log(torch.exp((-cost + u[:, None] + v) / eta).sum(1) + 1e-6) + np.log(len(a)))
        v = v - eta * (torch.log(torch.exp((-cost + u[:, None] + v) / eta).sum(0) + 1e-6) + np.log(len(b)))
    return (torch.exp((-cost + u[:, None] + v) / eta) * cost).sum()


def inner_step(model: nn.Module, optimizer: torch.optim.Optimizer, retain: Set, forget: Tensor, noise: Tensor) -> None:
    """One perturbation step; `noise` is changed in place."""
    x, y = retain
    noise.requires_grad_()
    answer = model((x + noise).clamp(0, 1)).float()
    transport = sinkhorn_cost(model(x).float(), model(forget).float())
    optimizer.zero_grad()
    (3 * transport - cross_entropy(answer, y)).backward()
    with torch.no_grad():
        assert noise.grad is not None
        noise += 0.4 * noise.grad.sign()
        noise.grad = None


def look(model: nn.Module, sets: list[Set], batch: int = 64) -> None:
    """All accuracies and attacks, after every batch."""
    losses = []
    with torch.no_grad():
        for x, y in [sets[-1], *sets]:  # unseen pictures twice: once for accuracy, once for losses
            parts = [
                cross_entropy(model(a).float(), b, reduction="none")
                for a, b in zip(x.split(batch), y.split(batch), strict=True)
            ]
            losses.append(torch.cat(parts).numpy())
    _, retain, forget, unseen = losses
    everything = np.concatenate([retain, forget, unseen]).reshape(-1, 1)
    LogisticRegression().fit(everything, np.repeat([0, 1, 2], [len(retain), len(forget), len(unseen)]))
    two, member = np.concatenate([unseen, forget]).reshape(-1, 1), np.repeat([0, 1], [len(unseen), len(forget)])
    cross_val_score(LogisticRegression(), two, member, cv=StratifiedShuffleSplit(10, random_state=0))


def epoch(
    model: nn.Module, retain: Set, forget: Set, unseen: Set, *, batches: int, inner: int = 15, batch: int = 64
) -> None:
    """The first `batches` batches of an epoch over the retain set."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.008, momentum=0.9, weight_decay=5e-4)
    model.eval()
    for step, (x, y) in enumerate(zip(retain[0].split(batch), retain[1].split(batch), strict=True)):
        if step == batches:
            break
        start = step * batch % (len(forget[0]) - batch + 1)
        noise = torch.zeros_like(x)
        for _ in range(inner):
            inner_step(model, optimizer, (x, y), forget[0][start : start + batch], noise)
        optimizer.zero_grad()
        cross_entropy(model((x + noise).clamp(0, 1).detach()).float(), y).backward()
        optimizer.step()
        look(model, [retain, forget, unseen])
