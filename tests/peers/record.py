"""Writes tests/functional/attacks/peers.json: drawn arrays, and what independent implementations answer to them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.special import expit

from expunge.audits.resampling import owners_of
from expunge.functional.attacks.signals import membership_scores
from expunge.functional.probes import folds
from tests.peers.inputs import asked_about
from tests.peers.peers import answers

FILE = Path(__file__).parents[1] / "functional" / "attacks" / "peers.json"
RNG = np.random.default_rng(0)
MODELS, PICTURES = 16, 25


def halves() -> np.ndarray:
    """Which models were trained on which pictures: every picture in exactly half of them."""
    return RNG.permuted(np.arange(MODELS)[:, None].repeat(PICTURES, 1) % 2, axis=0)


def drawn() -> dict[str, dict[str, np.ndarray]]:
    """The inputs, by the group of peers that answers to them; rounded, so that the file stays small and exact."""
    inside, hard, hard_z = halves(), RNG.normal(0, 2, PICTURES), RNG.normal(0, 2, 40)
    shadows = hard + RNG.normal(0, 1, (MODELS, PICTURES)) + 1.5 * inside
    target = hard + RNG.normal(0, 1, PICTURES) + 1.5 * (np.arange(PICTURES) % 2)
    labels = RNG.integers(0, 4, 60)
    lead = np.eye(4)[labels]
    return {
        "confidence": {"logits": RNG.normal(0, 2, (60, 4)).round(3), "labels": labels},
        "lira": {"target": target.round(3), "shadows": shadows.round(3), "inside": inside},
        "rmia": {
            "target": expit(target).round(4),
            "references": expit(shadows).round(4),
            "inside": inside,
            "population_target": expit(hard_z + RNG.normal(0, 1, 40)).round(4),
            "population_references": expit(hard_z + RNG.normal(0, 1, (MODELS, 40))).round(4),
        },
        "klom": {
            "unlearned": RNG.normal([0, 0.5, 2, 90], [1, 2, 1, 30], (300, 4)).round(2),
            "retrained": RNG.normal([0, 0, 0, 40], [1, 2, 2, 30], (300, 4)).round(2),
        },
        # in steps of a twentieth, that the challenge's grid of a hundredth can follow
        "epsilon": {
            "unlearned": (RNG.normal([0, 0, 1, 2, 0, 9], [1, 1, 1, 1, 3, 1], (24, 6)) * 20).round() / 20,
            "retrained": (RNG.normal(0, [1, 1.5, 1, 1, 1, 1], (24, 6)) * 20).round() / 20,
        },
        "art": {
            "logits": (RNG.normal(0, 1, (60, 4)) + lead).round(3),
            "labels": labels,
            "members": RNG.normal([1, 0], [1, 2], (50, 2)).round(3),
            "others": RNG.normal([0, 0], [1, 0.7], (50, 2)).round(3),
        },
        "machine": machine(),
    }


def machine() -> dict[str, np.ndarray]:
    """Answers to a hundred pictures, what the audit makes of them, and how it divides them."""
    labels = RNG.integers(0, 4, 100)
    member = np.arange(100) < 50
    logits = (RNG.normal(0, 1, (100, 4)) + np.eye(4)[labels] * np.where(member, 2.5, 1.0)[:, None]).round(3)
    seen = asked_about(logits, labels)
    sides = [membership_scores(seen[s].logits, seen[s].labels, sizes=(4,)) for s in ("forget", "reporting")]
    signals = np.concatenate([np.stack(list(side.values()), axis=1) for side in sides])
    owners = np.concatenate([owners_of(seen[s]) for s in ("forget", "reporting")])
    fold = folds(member, owners, seed=0)
    return {"logits": logits, "labels": labels, "member": member * 1, "signals": signals, "fold": fold}


def written(values: np.ndarray) -> list[object]:
    return np.asarray(values).tolist()


if __name__ == "__main__":
    given = drawn()
    content = {
        "inputs": {group: {name: written(v) for name, v in arrays.items()} for group, arrays in given.items()},
        "answers": {name: written(v) for name, v in answers(given).items()},
    }
    FILE.write_text(json.dumps(content, separators=(",", ":")).replace('],"', '],\n"') + "\n")
