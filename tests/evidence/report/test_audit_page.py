"""The audit page: every part that was measured, a sentence for each that was not, nothing that leaves the page."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from expunge.app.measure import plain
from expunge.evidence.report.auditfigures import Curve, relearning_words, roc_figure, roc_words
from expunge.evidence.report.auditpage import audit_page
from expunge.evidence.report.words import number
from tests.evidence.report.pages import HOSTILE, VERDICT, Page, leaks, row

MODELS = ("before", "after", "reference-1", "reference-2")


def audit(people: int = 30, name: str = "a") -> dict[str, Any]:
    one = plain(row("mia_auroc", "forget-vs-reporting", 0.61))
    curve = [None, 0.05, 0.4, 1.0]
    curves = [{"attack": a, "model": m, "tpr": curve} for a in ("loss", "svc") for m in MODELS]
    lines = [{"column": "person", "group": str(i), "before": one, "after": one} for i in range(1, people + 1)]
    relearned = [
        {"part": part, "model": model, "steps": [0, 10], "loss": [2.0, 1.5], "accuracy": [0.1, 0.2]}
        for part in ("retain", "forget")
        for model in MODELS
    ]
    return {
        "curves": {"fpr": [0.001, 0.01, 0.1, 1.0], "curves": curves},
        "people": {"rows": lines, "worst": None, "note": "How to read them."},
        "groups": [{"column": name, "group": name, "before": None, "after": one}],
        "relearning": {"curves": relearned},
        "verdict": VERDICT,
        "notes": [name],
    }


def page(found: dict[str, Any], title: str = "Audit") -> str:
    return audit_page(found, title=title, descriptions={})


def test_every_part_that_was_measured_stands_on_the_page() -> None:
    text = page(audit())
    assert len(re.findall("<svg", text)) == 2
    assert [h["id"] for h in Page(text).named("h2")] == [
        "verdict",
        "curves",
        "people",
        "groups",
        "relearning",
        "limits",
    ]
    assert "5 more people" in Page(text).text and "not tried" not in text


def test_people_by_lira_stand_below_those_by_loss() -> None:
    found = audit(people=2)
    assert "by LiRA" not in Page(page(found)).text
    one = plain(row("lira_auroc", "person-vs-reporting", 0.93))
    lines = [{"column": "person", "group": "17", "before": None, "after": one}]
    found["people_by_lira"] = {"rows": lines, "worst": None, "note": "How to read these."}
    text = Page(page(found)).text
    assert number(0.93, one["unit"]) in text
    assert text.index("How to read them.") < text.index("by LiRA") < text.index("How to read these.")


def test_what_was_not_measured_is_said_not_to_have_been() -> None:
    text = Page(page({})).text
    for sentence in ("No verdict was made", "There are no curves", "Nothing was recorded person", "was not tried"):
        assert sentence in text
    assert "Nobody knows who" in Page(page({"people": {"rows": [], "note": "Nobody knows who."}})).text


def test_hostile_names_stay_text_and_nothing_leaves_the_page() -> None:
    text = page(audit(name=HOSTILE), title=HOSTILE)
    assert leaks(text) == []
    assert "alert('x')" in Page(text).text


def test_the_same_audit_gives_the_same_page() -> None:
    assert page(audit()) == page(audit())


def test_headings_leave_no_rank_out_and_tables_have_captions() -> None:
    tags = [tag for tag, _ in Page(page(audit())).tags]
    ranks = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert ranks[0] == 1 and ranks.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(ranks))
    assert tags.count("table") == tags.count("caption")


def test_curves_are_told_in_words() -> None:
    curves = [Curve("loss", model, ((0.01, 0.05), (1.0, 1.0))) for model in MODELS]
    assert "before 5.0 %, after 5.0 %" in roc_words(curves)
    assert "after, trained further on half of the erased people: 2.00 to 1.50" in relearning_words(
        [Curve("forget", "after", ((0, 2.0), (10, 1.5)))]
    )


def test_a_curve_without_any_rate_that_can_be_told_is_drawn_empty() -> None:
    assert roc_figure([Curve("loss", "after", ((0.001, None), (0.01, None)))]) is not None
    assert roc_figure([]) is None
