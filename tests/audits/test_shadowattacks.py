"""Attacks by shadows as audit rows: drawn worlds of known truth, against the pure attacks and against chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from expunge.audits.breakdown import people
from expunge.audits.observe import Observation, Seen
from expunge.audits.population import FPRS, roc_curves
from expunge.audits.registry import AUDITS
from expunge.audits.resampling import resampling
from expunge.audits.shadowattacks import (
    FEW,
    METHOD,
    THESE_MODELS,
    ShadowStudy,
    method_rows,
    ratio_scores,
    shadow_rows,
    shadow_scores,
)
from expunge.audits.shadows import Shadows, log_odds
from expunge.errors import DataError
from expunge.functional.attacks.curves import auroc
from expunge.functional.attacks.klom import klom
from expunge.functional.attacks.lira import Variance, lira_offline, lira_online, u_lira_ratio
from expunge.functional.attacks.rmia import Population, rmia_offline, tuned_a
from expunge.functional.stats import bootstrap_weights
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


def test_the_row_of_rmia_is_the_pure_attack_with_tuning_pictures_as_population() -> None:
    """On probabilities, from the first shadow as the paired model; another population gives another number."""
    known, after = halves(), model(21, trained_on="forget")
    found = rows(shadow_rows(ShadowStudy(halves=known), None, after, [], draws=20).after)["rmia_auroc"].value
    answers = 1 / (1 + np.exp(-known.scaled[:, :, 0].astype(float)))
    odds = {s: after[s].logits[:, 1].astype(float) - after[s].logits[:, 0] for s in SPLITS}
    target, tuning = (1 / (1 + np.exp(-v)) for v in (np.r_[odds["forget"], odds["reporting"]], odds["tuning"]))
    pictures, others = answers[:, :120], answers[:, 120:]
    paired = Population(others[0], others[1:])
    a = tuned_a(pictures[0], known.inside[0, :120], pictures[1:], known.inside[1:, :120], paired)
    score = rmia_offline(target, pictures, known.inside[:, :120], Population(tuning, others), a=a)
    assert found == pytest.approx(auroc(score[:60], score[60:]), abs=1e-8)
    steered = {**after, "tuning": seen("tuning", odds["tuning"] + 3 * (np.arange(40) < 20))}
    moved = rows(shadow_rows(ShadowStudy(halves=known), None, steered, [], draws=20).after)
    assert moved["rmia_auroc"].value != pytest.approx(found, abs=1e-3)


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
    assert {"u_lira", "u_lira_auroc", "u_lira_tpr_at_1pct_fpr"} == set(rows(found.references[0]))


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


def test_u_lira_tells_models_apart_that_its_probability_does_not() -> None:
    """Unlearned and retrained shadows so far apart that every probability is 1: the ranks are of the ratio."""
    unlearned, retrained = shadows(MODELS, 5, gain=60), shadows(2 * MODELS, 6)
    hard = hardness()["forget"]
    drawn = np.random.default_rng(8).normal(0, 0.2, (2, 60))
    more, less = ({**model(21), "forget": seen("forget", hard + gain + drawn[i])} for i, gain in enumerate((50, 45)))
    found = rows(shadow_rows(ShadowStudy(unlearned=unlearned, retrained=retrained), None, more, [less], draws=20).after)
    assert found["u_lira"].value == found["u_lira"].reference == 1
    sides = [s.scaled_confidence[:, :60] for s in (unlearned, retrained)]
    first, second = (u_lira_ratio(one["forget"].logits[:, 1], *sides, variance="fixed") for one in (more, less))
    assert found["u_lira_auroc"].value == pytest.approx(auroc(first, second), abs=1e-8)
    assert auroc(first, second) > 0.6


@pytest.mark.parametrize(("pictures", "told"), [(60, False), (1000, True)])
def test_u_lira_recognises_pictures_at_one_false_alarm_in_a_hundred(
    pictures: int, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A further reference gives more ratios to compare with, but of the same pictures."""
    monkeypatch.setitem(COUNTS, "forget", pictures)
    study = ShadowStudy(unlearned=shadows(MODELS, 5, gain=1.0), retrained=shadows(2 * MODELS, 6))
    hard, references = hardness()["forget"], [model(22), model(23)]
    after = {**model(21), "forget": seen("forget", hard + 1.0 + np.random.default_rng(7).normal(0, 0.5, pictures))}
    found = rows(shadow_rows(study, None, after, references, draws=20).after)["u_lira_tpr_at_1pct_fpr"]
    assert (found.value is not None) is told
    if not told:
        assert "n = 60" in found.note and found.reference is None
        return
    sides = [s.scaled_confidence[:, :pictures] for s in (study.unlearned, study.retrained)]  # type: ignore[union-attr]
    ours, *theirs = (u_lira_ratio(one["forget"].logits[:, 1], *sides, variance="fixed") for one in (after, *references))
    assert found.value == pytest.approx(np.mean(ours > np.sort(np.concatenate(theirs))[-21]))
    assert found.reference == 0.01 and found.gap_low is not None and found.gap_low > 0.02
    scores = ratio_scores(after["forget"], [one["forget"] for one in references], study.unlearned, study.retrained)  # type: ignore[arg-type]
    (curve,) = roc_curves({"after": {"u_lira": scores}}).curves
    assert curve.tpr[FPRS.index(0.01)] == pytest.approx(found.value, abs=1e-6)
    assert curve.tpr[FPRS.index(0.01) - 1] is None, "a further reference shows no further picture"


def test_with_enough_shadows_a_side_each_picture_has_its_own_variance() -> None:
    """As many as the thorough tier unlearns; its halves are half as many a side."""
    drawn = np.random.default_rng(9)
    apart = Shadows(
        np.array([f"forget-{i}" for i in range(60)]),
        (hardness()["forget"] + drawn.normal(0, np.linspace(0.1, 4, 60), (FEW, 60)))[:, :, None].astype(np.float32),
        np.zeros((FEW, 60), bool),
        np.ones(FEW),
    )
    retrained = shadows(2 * FEW, 6)
    found = rows(shadow_rows(ShadowStudy(None, apart, retrained), None, model(21), [model(22)], draws=5).after)
    sides = [s.scaled_confidence[:, :60] for s in (apart, retrained)]
    variances: tuple[Variance, ...] = ("per-example", "fixed")
    values = {
        v: auroc(*(u_lira_ratio(model(i)["forget"].logits[:, 1], *sides, variance=v) for i in (21, 22)))
        for v in variances
    }
    assert found["u_lira_auroc"].value == pytest.approx(values["per-example"], abs=1e-8)
    assert values["per-example"] != pytest.approx(values["fixed"], abs=1e-3)


def alike(models: int, pictures: int, common: float, *, seed: tuple[int, int]) -> Shadows:
    """Models of one kind; each is surer, or less sure, of all pictures by its own luck."""
    drawn, asked = np.random.default_rng(seed), seen("forget", np.zeros(pictures))
    hard = np.random.default_rng(seed[0]).normal(0, 2, pictures)
    odds = hard + drawn.normal(0, common, (models, 1)) + drawn.normal(0, 0.6, (models, pictures))
    return Shadows(asked.ids, odds[:, :, None].astype(np.float32), np.zeros(odds.shape, bool), np.ones(models))


@pytest.mark.parametrize(
    ("common", "name", "trials"),
    [(0.0, "klom", 80), (0.6, "klom", 200), (1.2, "klom", 80), (0.6, "epsilon_quality", 12)],
)
def test_intervals_of_a_method_know_that_other_models_would_differ(
    common: float, name: str, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was unlearned badly: both groups differ by luck, some of it the same for all pictures of a model.

    The planted fault is an interval over people alone, which then excludes 0 several times too often.
    """
    ((key, measure),) = [one for one in METHOD if one[0].name == name]
    monkeypatch.setattr("expunge.audits.shadowattacks.METHOD", ((key, measure),))
    pictures, models = (60, 8) if name == "epsilon_quality" else (90, 32)
    excluded, widths = np.zeros(2), np.zeros(2)
    for trial in range(trials):
        asked = seen("forget", np.zeros(pictures))
        sides = [alike(count, pictures, common, seed=(trial, i)) for i, count in enumerate((models, 2 * models))]
        weights = bootstrap_weights(asked.subjects, pictures, draws=200, seed=trial)
        row = rows(method_rows(*sides, asked, dict.fromkeys(SPLITS, weights), seed=trial))[name]
        assert row.gap_low is not None and row.gap_high is not None
        ours, theirs = (side.scaled_confidence for side in sides)
        found = measure(ours, theirs[:models], theirs[models:])
        low, high = np.percentile(weights[1:] @ (found.value - found.floor) / weights[1:].sum(1), [2.5, 97.5])
        excluded += [not row.gap_low <= 0 <= row.gap_high, not low <= 0 <= high]
        widths += [row.gap_high - row.gap_low, high - low]
    with_models, people_alone = excluded / trials
    if name == "klom":  # twelve trials say little of a rate
        assert with_models <= 0.1
        assert people_alone > 0.15 or common == 0
    assert widths[0] > (1.3 if common else 1.0) * widths[1]


def test_an_interval_over_people_alone_is_said_where_models_are_few() -> None:
    found = [
        rows(shadow_rows(ShadowStudy(None, shadows(n, 5), shadows(2 * n, 6)), None, model(21), [], draws=20).after)
        for n in (3, 4)
    ]
    assert [one["klom"].note for one in found] == [THESE_MODELS, ""]


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
    assert len(made) == 11 and all(row.name in AUDITS and row.unit == AUDITS[row.name].unit for row in made)
