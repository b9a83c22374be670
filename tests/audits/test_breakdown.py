"""Person by person and group by group: the one who is remembered is found, and nobody is named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from expunge.audits.breakdown import LOSS_AUROC, People, by_group, people
from expunge.audits.observe import Observation
from expunge.audits.population import FPRS, LOSS, Scores, attack_scores
from expunge.audits.resampling import resampling
from expunge.audits.run import AuditReport, audit
from tests.audits.gaussians import model

REFERENCES = [model(seed=seed, n=200) for seed in (1, 2, 3)]


def remembering(subject: str, shift: float = 4.0) -> Observation:
    """A retrained model but for one person, of whom it remembers everything."""
    made = dict(model(seed=9, n=200))
    forget = made["forget"]
    made["forget"] = replace(forget, losses=forget.losses - shift * (forget.subjects == subject))
    return made


def thirty(observation: Observation) -> Observation:
    """The same with 30 forget pictures."""
    return {**observation, "forget": observation["forget"].part(np.arange(30))}


def losses(after: Observation, references: list[Observation]) -> tuple[None, Scores, list[Scores]]:
    """The attack by loss on all of them, without the model before."""
    return None, attack_scores(after)[LOSS], [attack_scores(one)[LOSS] for one in references]


def by_loss(after: Observation, references: list[Observation], *, draws: int = 5) -> People:
    """People by loss."""
    return people(LOSS_AUROC, *losses(after, references), resampling(after, draws=draws, seed=0), seed=0)


def report(after: Observation, references: list[Observation]) -> AuditReport:
    return audit(model(1.0, seed=5, n=200), after, references, draws=40)


def test_the_one_person_who_is_remembered_is_worst_off() -> None:
    after = remembering("forget-7")
    found = by_loss(after, REFERENCES, draws=40)
    assert found.worst is not None and found.worst.expected is not None
    assert (found.worst.person, found.worst.pictures, found.worst.people) == (8, 4, 50)
    assert found.rows[0].group == "8", "forget-7 is the eighth person of the forget set"
    losses, others = after["forget"].losses[28:32], after["reporting"].losses
    expected = roc_auc_score(np.repeat([1, 0], [4, 200]), -np.r_[losses, others])
    assert found.rows[0].after.value == pytest.approx(expected, abs=1e-8)
    assert found.rows[0].after.gap == pytest.approx(found.worst.excess)
    assert found.worst.excess > 1.1 * found.worst.expected


def test_somebody_is_worst_off_of_a_retrained_model_too() -> None:
    """Four pictures a person: the largest of fifty excesses is large by chance, and about what references show."""
    after = model(seed=4, n=200)
    found = by_loss(after, REFERENCES, draws=40).worst
    assert found is not None and found.expected is not None
    assert found.expected > 0.2
    assert found.excess == pytest.approx(found.expected, abs=0.15)


def test_nobody_is_named_and_the_most_exposed_come_first() -> None:
    found = report(remembering("forget-7"), REFERENCES)
    assert found.people is not None
    gaps = [row.after.gap for row in found.people.rows]
    assert gaps == sorted(gaps, reverse=True)
    assert found.people.rows[0].group == "8"
    assert {row.group for row in found.people.rows} == {str(i) for i in range(1, 51)}
    told = json.dumps(found.to_json())
    assert "forget-7" not in told and "expected" in told


def test_without_names_or_references_it_is_said_what_is_missing() -> None:
    after = model(n=200)
    nobody = {split: replace(part, subjects=None) for split, part in after.items()}
    assert "Nobody knows" in by_loss(nobody, []).note
    alone = by_loss(after, [])
    assert alone.worst is None and "takes a reference" in alone.note and len(alone.rows) == 50
    one = by_loss(after, REFERENCES[:1])
    assert one.worst is not None and one.worst.expected is None and "not known" in one.note


def test_few_pictures_are_pointed_out_and_never_worst_off() -> None:
    thin, *others = (thirty(made) for made in (remembering("forget-7"), *REFERENCES))
    found = by_loss(thin, others, draws=20)
    assert found.rows[0].after.note == "only 2 of this person's pictures"
    assert found.worst is not None and found.worst.person != 8 and found.worst.people == 7


def test_an_attack_that_cannot_be_made_says_why() -> None:
    after = model(n=60)
    scores = attack_scores({**after, "forget": replace(after["forget"], features=None)})["gradient_norm"]
    found = people("gradient_norm_auroc", None, scores, [], resampling(after, draws=5, seed=0), seed=0)
    assert (found.rows, found.worst) == ((), None) and "features were not looked at" in found.note


def test_groups_are_measured_against_non_members_of_the_same_group() -> None:
    after = model(n=200)
    night = {split: np.arange(200) % 2 for split in ("forget", "reporting")}
    weights = resampling(after, draws=20, seed=0)
    found = by_group(LOSS_AUROC, *losses(after, REFERENCES), weights, {"night": night})  # type: ignore[dict-item]
    assert [(row.column, row.group) for row in found] == [("label", "0"), ("night", "0"), ("night", "1")]
    odd = -np.r_[after["forget"].losses[1::2], after["reporting"].losses[1::2]]
    assert found[2].after.value == pytest.approx(roc_auc_score(np.repeat([1, 0], 100), odd), abs=1e-8)
    assert found[2].after.n == 200 and found[2].after.reference is not None


def test_a_group_without_non_members_is_not_estimable() -> None:
    after = model(n=60)
    rare = {"forget": np.array(["rare"] * 60), "reporting": np.array(["other"] * 60)}
    weights = resampling(after, draws=5, seed=0)
    found = by_group(LOSS_AUROC, *losses(after, []), weights, {"kind": rare})  # type: ignore[dict-item]
    assert found[-1].after.value is None and "no non-member is in this group" in found[-1].after.note


def test_a_group_of_one_forgotten_person_varies_with_their_pictures_and_says_so() -> None:
    """Drawn by people, one person is always the same: only the non-members would vary."""
    after = model(n=200)
    owners = after["forget"].subjects
    assert owners is not None
    alone = {"forget": np.where(owners == "forget-7", "alone", "most"), "reporting": np.array(["alone", "most"] * 100)}
    weights = resampling(after, draws=400, seed=0)
    rows = {row.group: row for row in by_group(LOSS_AUROC, *losses(after, []), weights, {"who": alone})}  # type: ignore[dict-item]
    one, most = rows["alone"], rows["most"]
    assert (one.pictures, one.people, most.pictures, most.people) == (4, 1, 196, 49)
    assert "only one forgotten person" in one.after.note and one.after.subjects is None
    assert most.after.note == "" and most.after.subjects == 49 + 50
    assert one.after.low is not None and one.after.high is not None
    mine, others = after["forget"].losses[owners == "forget-7"], after["reporting"].losses[::2]
    drawn = np.random.default_rng(0).integers(4, size=(400, 4))
    auroc = [roc_auc_score(np.repeat([1, 0], [4, 100]), -np.r_[mine[at], others]) for at in drawn]
    assert one.after.high - one.after.low > 0.8 * np.subtract(*np.quantile(auroc, [0.975, 0.025]))


def test_an_attack_that_cannot_be_made_says_why_of_every_group() -> None:
    after = model(n=60)
    scores = attack_scores({**after, "forget": replace(after["forget"], features=None)})["gradient_norm"]
    found = by_group("gradient_norm_auroc", None, scores, [], resampling(after, draws=5, seed=0), {})
    assert [row.after.value for row in found] == [None] and "features were not looked at" in found[0].after.note


def test_curves_rise_and_stop_where_too_few_false_alarms_are_expected() -> None:
    found = report(model(1.0, seed=6, n=200), REFERENCES).curves
    assert found is not None and found.fpr == FPRS
    assert {curve.model for curve in found.curves} == {"before", "after", "reference-1", "reference-2", "reference-3"}
    margin = next(c for c in found.curves if (c.attack, c.model) == ("margin", "after")).tpr
    known = [tpr for tpr in margin if tpr is not None]
    assert [tpr is None for tpr in margin] == [fpr < 0.05 for fpr in FPRS]  # ten of 200
    assert known == sorted(known) and known[-1] == 1
