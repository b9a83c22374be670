"""Verdicts: right on planted gaps, silent where nothing can be said, and with reasons that carry the numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from expunge.app.measure import plain
from expunge.audits.observe import Observation
from expunge.audits.run import audit
from expunge.evidence.margins import MARGINS, Margin
from expunge.evidence.verdict import AuditVerdict, Verdict, judge
from expunge.types import AuditRow
from tests.audits.gaussians import model

RELEARNED = "forget, held out, relearned on retain"
JUDGED = (
    ("accuracy", "forget"),
    ("accuracy", "retain"),
    ("accuracy", "reporting"),
    ("mia_auroc", "forget-vs-reporting"),
)
UNITS = {
    "accuracy": "share",
    "mia_auroc": "auroc",
    "mia_relative_auroc": "auroc",
    "u_lira_auroc": "auroc",
    "relearn_accuracy": "share",
    "loss": "nats",
    "js_divergence": "bits",
}


def row(name: str, split: str, gap: float | None, error: float = 0.004, subjects: int | None = 100) -> AuditRow:
    reference = None if gap is None else 0.55
    value = 0.55 + (gap or 0.0)
    made = AuditRow(name, split, value, value - 0.02, value + 0.02, 1000, subjects, UNITS[name], "reference", reference)
    return replace(made, gap=gap, gap_error=None if gap is None else error)


def rows(forget: float | None = 0.0, attack: float | None = 0.0, **more: float) -> list[AuditRow]:
    gaps = (forget, None if forget is None else 0.0, None if forget is None else 0.0, attack)
    made = [row(name, split, gap, **more) for (name, split), gap in zip(JUDGED, gaps, strict=True)]
    return [*made, row("loss", "forget", None if forget is None else 0.0)]


def references(count: int, spread: float = 0.0) -> list[list[AuditRow]]:
    offsets = np.linspace(-spread, spread, count) if count > 1 else [0.0]
    return [[replace(one, value=0.55 + offset) for one in rows()] for offset in offsets]


def of(verdict: Verdict, name: str, split: str) -> AuditVerdict:
    return next(a for a in verdict.audits if (a.name, a.split) == (name, split))


def test_small_gaps_with_small_errors_are_indistinguishable() -> None:
    found = judge(rows(0.005, -0.003), references(3))
    assert found.overall == "indistinguishable"
    assert {audit.verdict for audit in found.audits} == {"indistinguishable"}


def test_one_large_gap_is_enough_to_tell_the_model() -> None:
    found = judge(rows(0.2), references(3))
    assert found.overall == "distinguishable"
    assert of(found, "accuracy", "forget").verdict == "distinguishable"
    assert of(found, "mia_auroc", "forget-vs-reporting").verdict == "indistinguishable"
    assert any("still remembers" in reason for reason in found.reasons)


def test_a_gap_below_the_reference_is_named_over_forgetting() -> None:
    assert "over-forgetting" in " ".join(judge(rows(attack=-0.2), references(1)).reasons)


def test_one_audit_that_cannot_rule_out_a_gap_makes_all_inconclusive() -> None:
    made = [replace(one, gap_error=0.05) if one.name == "mia_auroc" else one for one in rows(0.01)]
    found = judge(made, references(3))
    assert found.overall == "inconclusive"
    assert [audit.name for audit in found.audits if audit.verdict == "inconclusive"] == ["mia_auroc"]


def test_a_sure_gap_that_is_small_tells_nobody_anything() -> None:
    margin = (Margin("accuracy", ("forget",), margin=0.5, floor=1e-4, why="", above="more", below="less"),)
    found = judge(rows(0.2, error=1e-4), references(1), margins=margin)
    assert of(found, "accuracy", "forget").verdict == "indistinguishable" and found.overall == "inconclusive"


def test_without_a_reference_nothing_is_said_about_retraining() -> None:
    found = judge(rows(None, None), ())
    assert found.overall == "not assessable"
    assert {audit.verdict for audit in found.audits} == {"not assessable"}
    assert found.power and "guessing" in found.power[0]


def test_a_single_picture_is_not_judged_and_one_person_is_by_pictures() -> None:
    single, alone = ([replace(one, subjects=None, n=n) for one in rows(0.2)] for n in (1, 40))
    assert judge(single, references(1)).overall == "not assessable"
    found = judge(alone, references(1))
    assert found.overall == "distinguishable" and "with 40 pictures" in found.power[0]


def test_passing_only_on_people_who_stay_proves_nothing() -> None:
    alone = [replace(one, subjects=None, n=1) if one.split == "forget" else one for one in rows()]
    found = judge(alone, references(3))
    assert {a.verdict for a in found.audits if "forget" not in a.split} == {"indistinguishable"}
    assert found.overall == "inconclusive" and any("No membership attack" in reason for reason in found.reasons)


def test_skill_alone_is_no_pass_and_what_was_not_assessed_is_named() -> None:
    without = [replace(one, gap=None) if one.name == "mia_auroc" else one for one in rows()]
    found, whole = judge(without, references(3)), judge(rows(), references(3))
    assert [a.verdict for a in found.audits].count("indistinguishable") == 3
    assert found.overall == "inconclusive" and whole.overall == "indistinguishable"
    assert any("No membership attack" in reason for reason in found.reasons)
    (unjudged,), (fewer,) = ([r for r in v.reasons if r.startswith("Not assessed")] for v in (found, whole))
    assert "Membership attack: ranking" in unjudged and "Membership attack: ranking" not in fewer


@pytest.mark.parametrize(("shift", "said"), [(-0.15, "staying ones are more"), (0.15, "staying ones are less")])
def test_a_difference_that_lies_in_people_who_stay_is_not_put_down_to_erased_ones(shift: float, said: str) -> None:
    """The plant: losses of pictures that stay are moved, what the model answers to erased ones is left alone."""
    rng = np.random.default_rng(0)

    def moved(to: Callable[[str, np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Observation:
        return {split: replace(seen, losses=to(split, seen.losses)) for split, seen in model().items()}

    reference = moved(lambda _, losses: losses + 0.1 * rng.normal(size=len(losses)))
    after = moved(lambda split, losses: losses + shift * (split == "retain"))
    report = audit(None, after, [reference], draws=50)
    found = of(judge(report.rows_after, report.rows_reference), "mia_relative_auroc", "forget-vs-retain")
    assert found.verdict == "distinguishable" and found.gap is not None and np.sign(found.gap) == np.sign(shift)
    assert said in found.reasons[0] and ": either" in found.reasons[0]
    assert "It still remembers" not in found.reasons[0] and "It is conspicuously" not in found.reasons[0]


def test_references_that_differ_much_excuse_a_gap_that_alike_ones_do_not() -> None:
    assert judge(rows(0.09), references(3)).overall == "distinguishable"
    assert judge(rows(0.09), references(3, spread=0.08)).overall == "inconclusive"


def test_few_people_are_counted_on_the_smaller_side() -> None:
    few = [replace(one, subjects=3) if one.split == "forget" else one for one in rows()]
    low, low_of_few = (of(judge(r, references(1)), *JUDGED[3]).low for r in (rows(), few))
    assert low_of_few < low < 0


def test_distinguishing_is_adjusted_for_the_number_of_audits() -> None:
    alone = tuple(m for m in MARGINS if m.name == "accuracy" and "forget" in m.splits)
    among, single = (of(judge(rows(0.065, error=0.01), references(1), margins=m), *JUDGED[0]) for m in (MARGINS, alone))
    assert among.p == pytest.approx(4 * single.p, rel=1e-6)


def test_audits_that_do_not_see_the_original_prove_nothing() -> None:
    assert judge(rows(), references(3), before=rows(0.2)).overall == "indistinguishable"
    blind = judge(rows(), references(3), before=rows(0.01))
    assert blind.overall == "inconclusive" and any("untouched" in reason for reason in blind.reasons)


def test_an_audit_that_can_only_accuse_does_not_help_passing_audits_to_see_the_original() -> None:
    back = row("relearn_accuracy", RELEARNED, 0.3)
    assert judge([*rows(0.01), back], references(3)).overall == "distinguishable"
    blind = judge([*rows(), replace(back, gap=0.0)], references(3), before=[*rows(0.01), back])
    assert blind.overall == "inconclusive" and any("untouched" in reason for reason in blind.reasons)


def test_it_is_said_that_nobody_tried_the_audits_on_an_original() -> None:
    assert any("would tell the untouched model" in reason for reason in judge(rows(), references(3)).reasons)
    tried = judge(rows(), references(3), before=rows(0.2))
    assert not any("untouched" in reason for reason in (*tried.reasons, *judge(rows(0.2), references(3)).reasons))


def test_a_measure_where_less_is_better_is_only_too_large() -> None:
    found = [judge([row("js_divergence", "forget", gap, 0.002)], references(2)) for gap in (-0.2, 0.0, 0.2)]
    verdicts = [one.audits[0].verdict for one in found]
    assert verdicts == ["indistinguishable", "indistinguishable", "distinguishable"]


def test_forget_losses_above_those_of_retraining_raise_an_alarm() -> None:
    quiet, loud, forgotten = ([*rows()[:-1], row("loss", "forget", gap)] for gap in (0.02, 0.4, -0.4))
    assert judge(loud, references(3)).alarms and "Over-forgetting" in judge(loud, references(3)).alarms[0]
    assert judge(quiet, references(3)).alarms == judge(forgotten, references(3)).alarms == ()


def test_an_alarm_of_over_forgetting_stands_against_passing() -> None:
    loud = judge([*rows()[:-1], row("loss", "forget", 0.4)], references(3))
    assert {audit.verdict for audit in loud.audits} == {"indistinguishable"}
    assert loud.overall == "inconclusive" and set(loud.alarms) <= set(loud.reasons)
    assert judge([*rows(0.2)[:-1], row("loss", "forget", 0.4)], references(3)).overall == "distinguishable"


def test_a_model_that_comes_back_sooner_than_one_learns_anew_is_distinguishable() -> None:
    def verdict(gap: float, error: float = 0.004) -> Verdict:
        return judge([*rows(), row("relearn_accuracy", RELEARNED, gap, error, subjects=50)], references(3))

    accused = verdict(0.12)
    assert accused.overall == of(accused, "relearn_accuracy", RELEARNED).verdict == "distinguishable"
    assert any("It was not forgotten" in reason for reason in accused.reasons)
    assert accused.margins[f"relearn_accuracy, {RELEARNED}"] == 0.05


@pytest.mark.parametrize(("gap", "error"), [(0.04, 0.001), (0.0, 0.004), (-0.12, 0.004), (0.12, 0.06)])
def test_relearning_that_does_not_accuse_neither_acquits_nor_stands_in_the_way(gap: float, error: float) -> None:
    relearned = row("relearn_accuracy", RELEARNED, gap, error, subjects=50)
    found = judge([*rows(), relearned], references(3))
    audit = of(found, "relearn_accuracy", RELEARNED)
    assert found.overall == "indistinguishable" and "as far as 4 audits" in found.reasons[0]
    assert audit.verdict == "does not accuse" and "This audit can only accuse" in audit.reasons[0]
    assert judge([relearned], references(3)).overall == "inconclusive"


def test_power_is_of_one_audit_and_of_values_that_are_possible() -> None:
    def power(name: str, split: str, gap: float, error: float, **more: Any) -> str:
        return judge([replace(row(name, split, gap, error), **more)], references(2)).power[0]

    assert "two-sided level .05, not adjusted" in power("accuracy", "forget", 0.0, 0.004)
    assert "a value of" in power("accuracy", "forget", 0.0, 0.004) and " or " in power("accuracy", "forget", 0.0, 0.004)
    assert "no value that is possible would show" in power("accuracy", "forget", 0.0, 0.4)
    high = power("accuracy", "forget", 0.0, 0.05, reference=0.9)
    assert "a value of 7" in high and " or " not in high and "10" not in high.split("a value of")[1][:8]
    assert "one-sided" in power("js_divergence", "forget", 0.0, 0.002)
    assert "one-sided" in power("relearn_accuracy", RELEARNED, 0.0, 0.002)


def test_no_gap_is_promised_to_show_of_which_nothing_would_be_said() -> None:
    """Of an accuracy gap of less than half the margin no model is called distinguishable, however sure it is."""
    margin = (Margin("accuracy", ("forget",), margin=0.4, floor=1e-4, why="", above="more", below="less"),)
    power = judge(rows(error=1e-4), references(1), margins=margin).power[0]
    assert "a gap of 20.0 pts" in power


@pytest.mark.parametrize(("error", "said"), [(0.15, "number of people limits"), (0.001, "luck of training limits")])
def test_it_is_said_whether_people_or_references_limit_an_audit(error: float, said: str) -> None:
    unsure = of(judge(rows(0.06, error=error), references(2, spread=0.06)), "accuracy", "forget")
    assert unsure.verdict == "inconclusive" and said in unsure.reasons[0]


def between(kind: str, luck: np.ndarray[Any, Any]) -> float:
    """What the first model's row says, measured against the others: relative attacks subtract, divergences add."""
    return float(luck[0] - luck[1:].mean() if kind != "js_divergence" else luck[0] + luck[1:].mean())


@pytest.mark.parametrize("name", ["mia_relative_auroc", "u_lira_auroc", "js_divergence"])
@pytest.mark.parametrize("count", [3, 5])
def test_luck_of_references_that_are_measured_against_each_other_is_taken_as_it_is(name: str, count: int) -> None:
    """In many draws, the interval is as wide as it would be for references' values that stand alone."""
    split = {"mia_relative_auroc": "forget-vs-reporting"}.get(name, "forget")
    margin = (Margin(name, (split,), margin=0.5, floor=1e-6, why="", above="more", below="less"),)
    rng, widths, alone = np.random.default_rng(0), [], []
    for _ in range(150):
        luck = 0.02 * rng.normal(size=count)
        made = [between(name, np.array([luck[i], *np.delete(luck, i)])) for i in range(count)]
        beside = [[replace(row(name, split, 0.0), value=0.5 + value)] for value in made]
        found = of(judge([row(name, split, 0.0, 1e-6)], beside, margins=margin), name, split)
        assert found.high is not None and found.low is not None
        widths.append((found.high - found.low) ** 2)
        alone.append(luck.var(ddof=1))
    half = float(t.ppf(0.95, 7 + count - 1))
    assert np.mean(widths) == pytest.approx(4 * half**2 * np.mean(alone) / count, rel=1e-3)


def test_the_verdict_is_plain_json_with_its_margins() -> None:
    found = plain(judge(rows(), references(1)))
    assert json.loads(json.dumps(found)) == found
    assert {"overall", "audits", "power", "alarms", "margins"} <= set(found)
    assert found["margins"]["mia_auroc, forget-vs-reporting"] == 0.03


def test_every_reason_gives_the_gap_its_interval_and_what_is_compared() -> None:
    reason = of(judge(rows(0.2), references(3)), "accuracy", "forget").reasons[0]
    assert "75.0 %" in reason and "55.0 %" in reason and "+20.0 pts" in reason and "90 % interval" in reason


def luck(people: int, shift: float, *, trials: int = 150) -> list[str]:
    """Verdicts on models that vary as the margins' floors say, seen through so many people; correlated audits."""
    rng = np.random.default_rng(people)
    outcomes = []
    for _ in range(trials):
        shared, made = rng.normal(), []
        for margin in MARGINS[:3]:
            for split in margin.splits:
                error = 0.15 / np.sqrt(people)
                off = np.sqrt(2) * margin.floor * (0.7 * shared + 0.7 * rng.normal()) + error * rng.normal()
                planted = shift if "forget" in split else 0.0
                seen = error * np.sqrt(rng.chisquare(people - 1) / people)
                made.append(row(margin.name, split, float(off + planted), float(seen), people))
        outcomes.append(judge(made, references(1)).overall)
    return outcomes


@pytest.mark.parametrize("people", [5, 100])
def test_false_alarms_stay_below_one_in_twenty(people: int) -> None:
    assert luck(people, 0.0).count("distinguishable") / 150 < 0.05


def test_a_planted_gap_is_found_and_the_more_surely_the_more_people() -> None:
    found = [luck(people, 0.15).count("distinguishable") / 150 for people in (5, 25, 100)]
    assert found == sorted(found) and found[-1] > 0.95
    assert luck(100, 0.15).count("indistinguishable") == 0
