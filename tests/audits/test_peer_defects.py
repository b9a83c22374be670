"""Defects that audits elsewhere have, one by one, and the tests that would fail if they were shared.

- A method stops, or is chosen, by an attack on the pictures that are reported (DLFD; DELETE by test accuracy):
  `conformance/test_methods` (reporting pictures steer nothing), `test_run` (tuning pictures touch only the rows of one
  model that name them). RMIA alone asks about them, as its population: `test_shadowattacks`.
- One half is called the target of an attack, and a model below it good (DLFD, MUFAC's starting kit): below, and
  `evidence/test_verdict`.
- NoMUS puts the untouched model above the retrained one (MUCAC): below; it never stands without the reference's.
- Modified entropy is not its definition, or takes every label of a batch for each picture's own (SalUn):
  `functional/attacks/test_signals`.
- "JS divergence" that is none (bad teaching, SSD): `test_zrf`.
- Arguments of a KL divergence exchanged: `functional/attacks/test_klom`, `functional/test_distillation`.
- Relearning trains the model that is audited (ERASURE): `test_relearn`, where a model that only hides what it knows is
  trained as well, and found.
- LiRA whose shadows were never unlearned: `test_shadows`, `test_shadowattacks` (what a method leaves is seen there).
- A posterior that rounds to 1, so that the surest pictures tie (U-LiRA, LiRA offline): `functional/attacks/test_lira`,
  `test_shadowattacks`.
- Intervals that hold the shadow models fixed (KLoM, epsilon): `test_shadowattacks`,
  `functional/attacks/test_jackknife`.
- U-LiRA on right and wrong answers only (deepunlearn): `functional/attacks/test_lira`.
- KLoM that loses the largest margin (EasyDUB), RMIA that leaves references of the population out (ml_privacy_meter), an
  epsilon on a grid that steps over the best cut: `functional/attacks/test_peers` and the tests of each attack.
- Intervals that are no numbers (RUM): below.
- Sides of unequal size, so that calling everybody a stranger wins: `functional/test_membership`,
  `functional/attacks/test_curves`, `test_population`.
- A threshold judged on what it was chosen on: `functional/attacks/test_curves`.
- Shadows reused across settings that do not fit (LeakPro): `test_shadows`; across sources: `app/test_shadows`.
- Pictures clamped after they were normalised, so that a perturbation leaves the range of pixels (DLFD):
  `methods/test_dlfd_perturb` (it stays in its box and in the range of pixels).
- Transport on logits, or without a gradient to the perturbation, so that nothing moves (DLFD):
  `methods/test_dlfd_perturb` (perturbed features are further away; without the transport term they are not).
- A method that never updates a weight (SCRUB in EasyDUB): `conformance/test_methods` (weights change; a method that
  changes nothing is caught), `methods/test_scrub` (it is what plain loops do).
- "The MIA" without saying which, of whom, compared with what: below.
- Copies on both sides of a split (MUFAC): `data/test_copies`, `data/test_requests`, `evidence/preflight`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from expunge.audits.observe import Observation, Seen
from expunge.audits.registry import AUDITS
from expunge.audits.run import AuditReport, audit
from expunge.types import SPLITS, AuditRow
from tests.audits.gaussians import model

FEW = (1, 2, 5)


def row(report: AuditReport, name: str) -> AuditRow:
    return report.row(name, "forget-vs-reporting")


def test_the_target_of_an_attack_is_what_it_finds_in_a_retrained_model() -> None:
    """Forgotten people are easier than strangers for everybody: one half would be the sign of over-forgetting."""
    retrained = [model(0.3, seed=seed) for seed in (10, 11)]
    like, chance = (audit(None, model(shift, seed=2), retrained, draws=20) for shift in (0.3, 0.0))
    attack = row(like, "mia_auroc")
    assert attack.reference == pytest.approx(norm.cdf(0.3 / 2**0.5), abs=0.02) and attack.direction == "reference"
    assert row(chance, "mia_auroc").value == pytest.approx(0.5, abs=0.03)
    for name in ("mia_auroc", "forgetting_score"):
        near, far = row(like, name).gap, row(chance, name).gap
        assert near is not None and far is not None and abs(near) < 0.02 < abs(far)


def test_a_better_nomus_than_retraining_is_a_gap_and_no_merit() -> None:
    found = audit(None, model(0.0, seed=2), [model(0.6, seed=10)], draws=40)
    nomus = row(found, "nomus")
    assert nomus.value is not None and nomus.reference is not None and nomus.value > nomus.reference + 0.05
    assert nomus.direction == "reference" and nomus.gap == pytest.approx(nomus.value - nomus.reference)
    assert "higher than the retrained one" in AUDITS["nomus"].description


def changed(seen: Observation, **fields: Callable[[Seen], object]) -> Observation:
    return {split: replace(part, **{name: make(part) for name, make in fields.items()}) for split, part in seen.items()}


def answering(log_odds: float) -> Callable[[Observation], Observation]:
    """Every picture is answered with the same log odds."""
    return lambda seen: changed(
        seen,
        logits=lambda part: np.stack([np.full(len(part.ids), log_odds), np.zeros(len(part.ids))], 1).astype(np.float32),
        losses=lambda part: np.full(len(part.ids), np.logaddexp(0, -log_odds)),
        hits=lambda part: np.full(len(part.ids), float(log_odds > 0)),
    )


EXTREMES: dict[str, Callable[[Observation], Observation]] = {
    "as they are": lambda seen: seen,
    "all alike": answering(0.0),
    "all right, surely": answering(1e4),
    "all wrong, surely": answering(-1e4),
    "of one person": lambda seen: changed(seen, subjects=lambda part: np.full(len(part.ids), "Ana")),
    "of nobody": lambda seen: changed(seen, subjects=lambda _: None),
}


@pytest.mark.parametrize("n", FEW)
@pytest.mark.parametrize("answers", EXTREMES)
def test_no_interval_is_no_number(answers: str, n: int) -> None:
    """With few pictures, and answers without any spread: a number with an interval, or a reason, never NaN."""
    made = [EXTREMES[answers](model(0.5, seed=seed, n=n)) for seed in range(4)]
    found = audit(*made[:2], made[2:], draws=20)
    json.dumps(found.to_json(), allow_nan=False)
    for one in (*found.rows_after, *(found.rows_before or ())):
        assert (one.value is None) == (one.low is None) == (one.high is None)
        assert one.note if one.value is None else one.low <= one.value <= one.high, one  # type: ignore[operator]


def test_every_attack_says_which_it_is_on_whom_and_against_what() -> None:
    found = audit(model(1.0), model(0.3, seed=1), [model(0.3, seed=2)], draws=20)
    splits = {f"{a}-vs-{b}" for a in SPLITS for b in SPLITS} | set(SPLITS)
    for one in found.rows_after:
        assert AUDITS[one.name].description and one.split in splits and one.n > 0 and one.unit
        assert not one.name.startswith("mia") or one.split.startswith("forget-vs-"), "both sides are named"
