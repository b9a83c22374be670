"""Verdicts: right on planted gaps, silent where nothing can be said, and with reasons that carry the numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from expunge.app.measure import plain
from expunge.evidence.margins import MARGINS, Margin
from expunge.evidence.verdict import AuditVerdict, Verdict, judge
from expunge.types import AuditRow

JUDGED = (
    ("accuracy", "forget"),
    ("accuracy", "retain"),
    ("accuracy", "reporting"),
    ("mia_auroc", "forget-vs-reporting"),
)
UNITS = {
    "accuracy": "share",
    "mia_auroc": "auroc",
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
    assert judge(rows(0.2, error=1e-4), references(1), margins=margin).overall == "indistinguishable"


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
    assert found.overall == "inconclusive" and "No audit of erased pictures" in found.reasons[0]


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
    assert blind.overall == "inconclusive" and "untouched" in blind.reasons[0]


def test_it_is_said_that_nobody_tried_the_audits_on_an_original() -> None:
    assert any("would tell the untouched model" in reason for reason in judge(rows(), references(3)).reasons)
    tried = judge(rows(), references(3), before=rows(0.2))
    assert not any("untouched" in reason for reason in (*tried.reasons, *judge(rows(0.2), references(3)).reasons))


def test_a_measure_where_less_is_better_is_only_too_large() -> None:
    verdicts = [judge([row("js_divergence", "forget", gap, 0.002)], references(2)).overall for gap in (-0.2, 0.0, 0.2)]
    assert verdicts == ["indistinguishable", "indistinguishable", "distinguishable"]


def test_forget_losses_above_those_of_retraining_raise_an_alarm() -> None:
    quiet, loud, forgotten = ([*rows()[:-1], row("loss", "forget", gap)] for gap in (0.02, 0.4, -0.4))
    assert judge(loud, references(3)).alarms and "Over-forgetting" in judge(loud, references(3)).alarms[0]
    assert judge(quiet, references(3)).alarms == judge(forgotten, references(3)).alarms == ()


def test_a_model_that_comes_back_sooner_than_one_learns_anew_raises_an_alarm() -> None:
    def verdict(gap: float, error: float = 0.004) -> Verdict:
        relearned = row("relearn_accuracy", "forget, held out, relearned on retain", gap, error, subjects=50)
        return judge([*rows(), relearned], references(3))

    assert verdict(0.12).overall == "indistinguishable"  # of what it answers now
    assert ["on pictures that stay" in alarm for alarm in verdict(0.12).alarms] == [True]
    assert verdict(0.04).alarms == verdict(-0.12).alarms == verdict(0.12, error=0.06).alarms == ()


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
