"""Audit rows: right numbers, honest gaps, nothing said that was not measured, and a model left as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from expunge.audits.observe import Observation, observe
from expunge.audits.registry import AUDITS, describe_audits
from expunge.audits.run import AuditReport, audit
from expunge.types import SPLITS, AuditRow, ErasureTask
from tests.audits.gaussians import model
from tests.helpers import net, pictures, task

TASK = task(retain=40, forget=24)


def seen(seed: int, given: ErasureTask = TASK) -> Observation:
    return observe(net(given.retain.spec, seed=seed).eval(), given)


def report(references: int = 2) -> AuditReport:
    return audit(seen(0), seen(1), [seen(10 + i) for i in range(references)], draws=60)


def row(rows: tuple[AuditRow, ...], name: str, split: str) -> AuditRow:
    return next(r for r in rows if (r.name, r.split) == (name, split))


def test_observing_changes_nothing_in_the_model() -> None:
    model = net(TASK.retain.spec).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    observe(model, TASK, features=True)
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_observing_is_in_float32_even_under_autocast() -> None:
    model = net(TASK.retain.spec).eval()
    with torch.autocast("cpu", torch.bfloat16):
        inside = observe(model, TASK)
    outside = observe(model, TASK)
    assert all((inside[s].logits == outside[s].logits).all() for s in SPLITS)


def test_the_attack_compares_forget_with_reporting_pictures() -> None:
    after = seen(1)
    forget, others = after["forget"].losses, after["reporting"].losses
    expected = roc_auc_score(np.r_[np.ones(len(forget)), np.zeros(len(others))], -np.r_[forget, others])
    assert report().row("mia_auroc", "forget-vs-reporting").value == pytest.approx(expected, abs=1e-8)


def test_gaps_are_paired_with_the_mean_of_the_references() -> None:
    found = report().row("accuracy", "forget")
    hits = [seen(10 + i)["forget"].hits.mean() for i in range(2)]
    assert found.reference == pytest.approx(np.mean(hits))
    assert found.gap == pytest.approx(found.value - np.mean(hits))
    assert found.gap_low <= found.gap <= found.gap_high
    assert found.gap_error == pytest.approx((found.gap_high - found.gap_low) / 3.92, rel=0.35)


def test_a_model_compared_with_itself_has_no_gap_and_no_distance() -> None:
    same = audit(None, seen(1), [seen(1)], draws=40)
    for found in same.rows_after:
        if found.gap is not None:
            assert (found.gap, found.gap_low, found.gap_high) == (0, 0, 0)
    assert same.row("distance", "reporting").value == 0
    assert same.row("js_divergence", "forget").value == pytest.approx(0, abs=1e-9)


def test_the_retrain_floor_is_the_distance_between_references() -> None:
    found = report(3)
    assert len(found.rows_floor) == 3
    mean = np.mean([r.value for r in found.rows_floor])
    assert found.row("distance", "reporting").reference == pytest.approx(mean, abs=1e-8)


def test_without_a_reference_nothing_is_claimed_against_retraining() -> None:
    alone = audit(seen(0), seen(1), [], draws=40)
    names = {r.name for r in alone.rows_after}
    assert not names & {"distance", "js_divergence"}
    assert all(r.reference is None and r.gap is None for r in alone.rows_after)
    assert "no retrained reference" in alone.notes[0]
    assert "retrain floor" in report(1).notes[0]
    assert not any("reference" in note for note in report(2).notes)


def test_a_low_false_positive_rate_needs_enough_non_members() -> None:
    found = report().row("tpr_at_1pct_fpr", "forget-vs-reporting")
    assert found.value is None
    assert "not estimable with n = 24: needs at least 1,000" in found.note
    many = replace(TASK, reporting=pictures(1000, seed=9))
    enough = audit(None, seen(1, many), [], draws=20).row("tpr_at_1pct_fpr", "forget-vs-reporting")
    assert enough.value is not None


def test_two_guesses_of_two_classes_are_not_estimable() -> None:
    binary = task(classes=(2,))
    found = audit(None, seen(1, binary), [], draws=20).row("top2_accuracy", "forget")
    assert found.value is None
    assert "two classes" in found.note


def test_every_row_is_registered_and_every_audit_appears() -> None:
    found = audit(seen(0), seen(1), [seen(10), seen(11)], untrained=seen(50), draws=60)
    rows = [r for part in (found.rows_before, found.rows_after, *found.rows_reference) for r in part]
    assert list(AUDITS) == [d["name"] for d in describe_audits()]
    # the others train models or look inside them, and are measured where asked for
    asked_for = ("lira", "rmia", "u_lira", "klom", "epsilon", "full_gradient", "relearn", "residue", "collapse")
    assert {r.name for r in rows} == {name for name in AUDITS if not name.startswith(asked_for)}
    assert all((r.unit, r.direction) == (AUDITS[r.name].unit, AUDITS[r.name].direction) for r in rows)


def test_every_estimate_has_an_interval_and_a_number_of_subjects() -> None:
    for found in report().rows_after:
        if found.value is not None:
            assert found.low is not None and found.high is not None
            assert found.low <= found.high
            assert found.n > 0 and found.subjects


def test_nomus_is_its_definition() -> None:
    found = report()
    accuracy = found.row("accuracy", "reporting").value
    score = found.row("forgetting_score", "forget-vs-reporting").value
    assert found.row("nomus", "forget-vs-reporting").value == pytest.approx((accuracy + 1 - 2 * score) / 2, abs=1e-8)


def test_the_same_inputs_give_the_same_json_and_unknown_subjects_resample_pictures() -> None:
    assert json.dumps(report().to_json()) == json.dumps(report().to_json())
    nobody = {name: replace(part, subjects=None) for name, part in seen(1).items()}
    alone = audit(None, nobody, [], draws=20)
    assert all(r.subjects is None for r in alone.rows_after)


def test_swapping_forget_and_reporting_would_be_noticed() -> None:
    """The planted fault: an attack with its sides exchanged."""
    after: dict[str, object] = dict(seen(1))
    swapped: Mapping[str, object] = {**after, "forget": after["reporting"], "reporting": after["forget"]}
    straight = report().row("mia_auroc", "forget-vs-reporting").value
    crossed = audit(None, swapped, [], draws=20).row("mia_auroc", "forget-vs-reporting").value  # type: ignore[arg-type]
    assert straight is not None and crossed == pytest.approx(1 - straight, abs=1e-8)
    assert abs(straight - 0.5) > 1e-3


def test_variation_over_references_is_kept_apart() -> None:
    found = report(3)
    spread = next(s for s in found.spread if (s.name, s.split) == ("accuracy", "forget"))
    hits = [seen(10 + i)["forget"].hits.mean() for i in range(3)]
    assert (spread.lowest, spread.highest) == (pytest.approx(min(hits)), pytest.approx(max(hits)))
    assert spread.references == 3
    assert not {s.name for s in found.spread} & {"distance", "js_divergence"}
    assert report(1).spread == () == audit(None, seen(1), [], draws=10).spread


def test_no_estimate_lies_outside_its_own_interval() -> None:
    """Absolute values grow under resampling: without care an attack at chance has an interval above its estimate."""
    for found in (*report(3).rows_after, *report(3).rows_floor):
        if found.value is not None:
            assert found.low is not None and found.high is not None
            assert found.low <= found.value <= found.high


def test_every_asked_number_is_there_on_every_split() -> None:
    keys = {(r.name, r.split) for r in report().rows_after}
    assert keys >= {(name, split) for name in ("accuracy", "top2_accuracy", "ece", "loss") for split in SPLITS}
    attacks = ("mia_accuracy", "forgetting_score", "mia_auroc", "tpr_at_1pct_fpr", "nomus")
    assert keys >= {(name, "forget-vs-reporting") for name in attacks}
    assert keys >= {("js_divergence", "forget"), ("js_divergence", "reporting"), ("distance", "reporting")}


def test_tuning_pictures_touch_only_the_rows_of_one_model_that_name_them() -> None:
    """The planted fault: an attack against the pictures that steered the method. RMIA is not asked here."""
    after = dict(seen(1))
    tuning = after["tuning"]
    changed = audit(None, {**after, "tuning": replace(tuning, losses=tuning.losses + 3)}, [], draws=20).rows_after
    for one, two in zip(audit(None, after, [], draws=20).rows_after, changed, strict=True):
        if "tuning" in one.split:
            continue
        assert one == two
    assert any(one.split == "forget-vs-tuning" for one in changed)


def test_an_estimate_of_zero_is_in_its_interval() -> None:
    """The same hits, on other people: no distance in the sample, some in almost every draw."""
    after = dict(seen(1))
    part = after["reporting"]
    hits = np.random.default_rng(0).random(24)
    one = {**after, "reporting": replace(part, hits=hits)}
    other = {**after, "reporting": replace(part, hits=np.roll(hits, 4))}
    found = audit(None, one, [other], draws=200).row("distance", "reporting")
    assert (found.value, found.low) == (pytest.approx(0, abs=1e-8),) * 2
    assert found.high is not None and found.high > 0.01


def test_the_attack_for_steering_compares_forget_with_tuning_pictures() -> None:
    after = seen(1)
    ours, theirs = after["forget"].losses, after["tuning"].losses
    expected = roc_auc_score(np.r_[np.ones(len(ours)), np.zeros(len(theirs))], -np.r_[ours, theirs])
    assert report().row("mia_auroc", "forget-vs-tuning").value == pytest.approx(expected, abs=1e-8)


def test_a_model_is_told_from_its_reference_by_the_loss_that_the_reference_does_not_explain() -> None:
    after, reference = seen(1), seen(10)
    left = {s: reference[s].losses - after[s].losses for s in ("forget", "retain")}
    side = np.r_[np.ones(len(left["forget"])), np.zeros(len(left["retain"]))]
    expected = roc_auc_score(side, np.r_[left["forget"], left["retain"]])
    found = audit(None, after, [reference], draws=40).row("mia_relative_auroc", "forget-vs-retain")
    assert found.value == pytest.approx(expected, abs=1e-8)
    assert (found.reference, found.gap) == (0.5, pytest.approx(expected - 0.5, abs=1e-8))


def test_exchanging_the_model_and_its_reference_turns_the_relative_attack_round() -> None:
    one = audit(None, seen(1), [seen(10)], draws=40).row("mia_relative_auroc", "forget-vs-reporting")
    other = audit(None, seen(10), [seen(1)], draws=40).row("mia_relative_auroc", "forget-vs-reporting")
    assert one.gap == pytest.approx(-other.gap, abs=1e-8) and one.gap_error == pytest.approx(other.gap_error)


@pytest.mark.parametrize("references", [1, 2, 5])
def test_a_retrained_model_is_even_beside_any_number_of_references(references: int) -> None:
    """Losses are skewed and those of retain pictures small: most lie below their mean over several models."""
    given = {split: model(seed=0, n=800)[split] for split in SPLITS}

    def retrained(seed: int) -> Observation:
        made = np.random.default_rng(seed)
        scale = {"retain": 0.01}
        return {
            split: replace(seen, losses=scale.get(split, 1.0) * made.lognormal(sigma=1.0, size=len(seen.ids)))
            for split, seen in given.items()
        }

    found = audit(None, retrained(1), [retrained(2 + i) for i in range(references)], draws=5)
    for other in ("reporting", "retain"):
        assert found.row("mia_relative_auroc", f"forget-vs-{other}").value == pytest.approx(0.5, abs=0.035)
