"""Attacks by shadows as audit rows: drawn worlds of known truth, against the pure attacks and against chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from expunge.audits.breakdown import people
from expunge.audits.observe import Observation, Seen
from expunge.audits.population import roc_curves
from expunge.audits.registry import AUDITS
from expunge.audits.resampling import resampling
from expunge.audits.shadowattacks import ShadowStudy, shadow_rows, shadow_scores
from expunge.audits.shadows import Shadows, log_odds
from expunge.errors import DataError
from expunge.functional.attacks.curves import auroc
from expunge.functional.attacks.klom import klom
from expunge.functional.attacks.lira import lira_offline, lira_online
from expunge.types import SPLITS, AuditRow, LabelSpec

SPEC = LabelSpec(("kind",), (("no", "yes"),))
COUNTS = {"retain": 12, "forget": 60, "tuning": 40, "reporting": 60}
GAIN = 2.0  # log odds that training on a picture adds
MODELS = 16


def seen(split: str, odds: np.ndarray) -> Seen:  # type: ignore[type-arg]
    """Answers of one model to the pictures of a split, from the log odds of their label, which is 1."""
    n = len(odds)
    logits = np.stack([np.zeros(n), odds], axis=1).astype(np.float32)
    nothing = np.zeros(n)
    ids = np.array([f"{split}-{i}" for i in range(n)])
    owners = np.array([f"{split}-{i // 3}" for i in range(n)])
    return Seen(ids, owners, np.ones((n, 1), np.int64), logits, nothing, nothing, nothing, None, SPEC)


def hardness() -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    drawn = np.random.default_rng(1)
    return {split: drawn.normal(0, 2, COUNTS[split]) for split in SPLITS}


def model(seed: int, *, trained_on: str = "") -> Observation:
    """A model whose answers are how hard pictures are, noise, and what it gained on the split it was trained on."""
    drawn, hard = np.random.default_rng(seed), hardness()
    return {s: seen(s, hard[s] + drawn.normal(0, 0.5, COUNTS[s]) + GAIN * (s == trained_on)) for s in SPLITS}


def shadows(models: int, seed: int, *, inside: np.ndarray | None = None, gain: float = 0.0) -> Shadows:  # type: ignore[type-arg]
    drawn, hard = np.random.default_rng(seed), hardness()
    asked = ("forget", "reporting", "tuning")
    base = np.concatenate([hard[s] for s in asked])
    ids = np.concatenate([[f"{s}-{i}" for i in range(COUNTS[s])] for s in asked])
    trained = np.zeros((models, len(base)), bool) if inside is None else inside
    odds = base + drawn.normal(0, 0.5, trained.shape) + GAIN * trained + gain * np.char.startswith(ids, "forget")
    return Shadows(ids, odds[:, :, None].astype(np.float32), trained, np.ones(models))


def halves() -> Shadows:
    drawn = np.random.default_rng(2)
    n = sum(COUNTS[s] for s in ("forget", "reporting", "tuning"))
    first = drawn.random((MODELS // 2, n)) < 0.5
    inside = np.concatenate([first, ~first])
    inside[:, -COUNTS["tuning"] :] = False
    return shadows(MODELS, 3, inside=inside)


def rows(found: tuple[AuditRow, ...]) -> dict[str, AuditRow]:
    return {row.name: row for row in found}


def test_a_member_is_found_and_a_retrained_model_is_not() -> None:
    found = shadow_rows(
        ShadowStudy(halves=halves()), model(20, trained_on="forget"), model(21), [model(22), model(23)], draws=60
    )
    for name in ("lira_auroc", "lira_offline_auroc", "rmia_auroc"):
        before, after = rows(found.before)[name], rows(found.after)[name]
        assert before.value is not None and before.value > 0.9 and before.gap_low is not None and before.gap_low > 0.2
        assert after.gap_low is not None and after.gap_high is not None and after.gap_low < 0 < after.gap_high
        assert (after.n, after.subjects) == (120, 40)
        assert [rows(r)[name].value is not None for r in found.references] == [True, True]
        assert rows(found.references[0])[name].reference == rows(found.references[1])[name].value


def test_rows_are_the_pure_attacks_on_forget_against_reporting() -> None:
    known, after = halves(), model(21, trained_on="forget")
    found = rows(shadow_rows(ShadowStudy(halves=known), None, after, [], draws=20).after)
    at = slice(0, 120)
    target = np.concatenate([log_odds(after[s].logits, after[s].labels, (2,))[:, 0] for s in ("forget", "reporting")])
    for name, attack in (("lira_auroc", lira_online), ("lira_offline_auroc", lira_offline)):
        score = attack(target, known.scaled_confidence[:, at], known.inside[:, at], variance="fixed")
        assert found[name].value == pytest.approx(auroc(score[:60], score[60:]), abs=1e-8)
    assert found["lira_tpr_at_1pct_fpr"].value is None and "n = 60" in found["lira_tpr_at_1pct_fpr"].note


def test_lira_finds_the_one_person_who_is_remembered_though_their_pictures_are_hard() -> None:
    """By loss they stay below most non-members: what a picture gained is small beside how hard it is."""
    mine, everywhere = np.arange(60) // 3 == 7, model(24)
    after = {**model(21), "forget": seen("forget", hardness()["forget"] + GAIN * mine)}
    scores = [shadow_scores(one, halves())["lira"] for one in (after, model(22), everywhere)]
    weights = resampling(after, draws=20, seed=0)
    first = people("lira_auroc", None, scores[0], scores[1:], weights, seed=0).rows[0]
    assert first.group == "8" and first.after.n == 3 and first.after.name == "lira_auroc"
    members, others = scores[0].members, scores[0].others
    assert members is not None and others is not None
    assert first.after.value == pytest.approx(auroc(members[mine], others), abs=1e-8)
    assert first.after.gap is not None and first.after.gap > 0.2


@pytest.mark.parametrize(("tuning", "told"), [(40, False), (1000, True)])
def test_no_rate_is_told_that_the_steps_of_rmia_are_too_wide_for(
    tuning: int, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 40 pictures in its population, RMIA's scores rise in steps of 1/40: many non-members share the highest."""
    monkeypatch.setitem(COUNTS, "reporting", 1000)
    monkeypatch.setitem(COUNTS, "tuning", tuning)
    found = rows(shadow_rows(ShadowStudy(halves=halves()), None, model(21), [], draws=5).after)
    assert found["lira_tpr_at_1pct_fpr"].value is not None
    assert (found["rmia_tpr_at_1pct_fpr"].value is not None) is told
    assert told or "not estimable with n = 40" in found["rmia_tpr_at_1pct_fpr"].note
    curves = roc_curves({"after": shadow_scores(model(21), halves())})
    points = {one.attack: dict(zip(curves.fpr, one.tpr, strict=True)) for one in curves.curves}
    assert points["lira"][0.01] == pytest.approx(found["lira_tpr_at_1pct_fpr"].value, abs=1e-6)
    assert (points["rmia"][0.01] is not None) is told


def test_pictures_are_found_by_id_whatever_their_order() -> None:
    known, after = halves(), model(21, trained_on="forget")
    order = np.random.default_rng(0).permutation(len(known.ids))
    turned = replace(known, ids=known.ids[order], scaled=known.scaled[:, order], inside=known.inside[:, order])
    one, other = (shadow_rows(ShadowStudy(halves=k), None, after, [], draws=20).after for k in (known, turned))
    assert one == other
    few = replace(known, ids=known.ids[1:], scaled=known.scaled[:, 1:], inside=known.inside[:, 1:])
    with pytest.raises(DataError, match="asked about every picture"):
        shadow_rows(ShadowStudy(halves=few), None, after, [], draws=20)


@pytest.mark.parametrize(("left", "told"), [(1.0, True), (0.0, False)], ids=["half unlearned", "unlearned"])
def test_what_a_method_leaves_is_seen_in_its_shadows(left: float, told: bool) -> None:
    study = ShadowStudy(unlearned=shadows(MODELS, 5, gain=left), retrained=shadows(2 * MODELS, 6))
    hard = hardness()["forget"]
    drawn = np.random.default_rng(7)
    after = {**model(21), "forget": seen("forget", hard + left + drawn.normal(0, 0.5, 60))}
    found = shadow_rows(study, None, after, [model(22), model(23)], draws=60)
    made = rows(found.after)
    for name in ("u_lira", "u_lira_auroc", "klom"):
        assert (made[name].gap_low > 0) is told, name  # type: ignore[operator]
    quality = made["epsilon_quality"]
    assert (quality.gap_high is not None and quality.gap_high < 0) is told
    assert made["u_lira_auroc"].reference == 0.5
    assert {"u_lira", "u_lira_auroc"} == set(rows(found.references[0]))


def test_the_method_stands_beside_retraining_with_as_many_models() -> None:
    """The planted fault would be a floor of other models, or of none."""
    unlearned, retrained = shadows(MODELS, 5), shadows(2 * MODELS, 6)
    found = rows(
        shadow_rows(ShadowStudy(unlearned=unlearned, retrained=retrained), None, model(21), [], draws=20).after
    )
    sides = [s.scaled_confidence[:, :60] for s in (unlearned, retrained)]
    expected = klom(sides[0], sides[1][:MODELS], sides[1][MODELS:])
    assert found["klom"].value == pytest.approx(expected.value.mean(), abs=1e-6)
    assert found["klom"].reference == pytest.approx(expected.floor.mean(), abs=1e-6)
    assert expected.floor.mean() > 1


def test_too_few_shadows_are_said_and_give_no_number() -> None:
    inside = np.zeros((2, 160), bool)
    inside[0, :120] = True
    study = ShadowStudy(shadows(2, 3, inside=inside), shadows(2, 5), shadows(4, 6))
    found = rows(shadow_rows(study, None, model(21), [], draws=20).after)
    for name in ("lira_auroc", "rmia_auroc", "epsilon_quality"):
        assert found[name].value is None and found[name].note.startswith("not "), name
    assert found["klom"].value is not None


def test_every_row_is_registered_and_nothing_is_made_without_shadows() -> None:
    nothing = shadow_rows(ShadowStudy(), model(20), model(21), [model(22)], draws=20)
    assert (nothing.before, nothing.after, nothing.references) == ((), (), ((),))
    study = ShadowStudy(halves(), shadows(MODELS, 5), shadows(2 * MODELS, 6))
    made = shadow_rows(study, None, model(21), [model(22)], draws=20).after
    assert len(made) == 10 and all(row.name in AUDITS and row.unit == AUDITS[row.name].unit for row in made)
