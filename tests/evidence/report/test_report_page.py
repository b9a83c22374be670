"""The finished page, through the public surface only: what must be on it, what must never be."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from expunge.evidence.report import (
    PersonLine,
    PhaseLine,
    PicturePair,
    ProbePoint,
    ReportData,
    render_report,
    report_html,
)
from expunge.evidence.report.featurefigure import MapKey
from tests.evidence.report.pages import HOSTILE, VERDICT, Page, finished, leaks, row, rows, spoiled, told


@pytest.fixture(scope="module")
def good() -> ReportData:
    return finished()


PLANTED = ("<script></script>", "<img src='http://a.b/c'>", "<p onclick='x()'>", "<style>a{b:url(//c.d)}</style>")
ALERTS = {
    "unchanged": ({"changed": False}, re.compile(r"nothing was erased", re.I)),
    "alarm": ({"verdict": VERDICT}, re.compile(r"alarm", re.I)),
    "warned": (
        {"warnings": ("the model lost skill; try --method retrain",)},
        re.compile(r"gave a warning.*skill", re.I | re.S),
    ),
    "budget": ({"budget_hit": "max_seconds"}, re.compile(r"budget", re.I)),
    "no-reference": ({"rows_references": (), "rows_floor": (), "reference": None}, re.compile(r"no retrained", re.I)),
}


def alerts_on(text: str) -> str:
    """The text of the alert boxes."""
    return " ".join(re.findall(r'role="alert".*?</(?:div|section|aside)>', text, re.DOTALL))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_stands_there_when_due_and_not_otherwise(good: ReportData, name: str) -> None:
    change, words = ALERTS[name]
    assert not words.search(alerts_on(report_html(good)))
    due = alerts_on(report_html(replace(good, **change)))  # type: ignore[arg-type]
    assert words.search(due)
    assert not any(other.search(due) for key, (_, other) in ALERTS.items() if key != name)


def test_a_run_without_faults_has_no_alert(good: ReportData) -> None:
    assert alerts_on(report_html(good)) == ""


def test_hostile_text_stays_text(good: ReportData) -> None:
    nasty = replace(
        good,
        run_id=HOSTILE,
        title=HOSTILE,
        method=HOSTILE,
        method_summary=HOSTILE,
        request={HOSTILE: [HOSTILE]},
        findings={HOSTILE: HOSTILE, "near_review": [{"id": HOSTILE, HOSTILE: HOSTILE}]},
        class_names=(HOSTILE,) * 3,
        phases=[PhaseLine(HOSTILE, HOSTILE, 1, HOSTILE, 1.0)],
        probes=[ProbePoint(HOSTILE, s, {HOSTILE: 0.5, "target": 0.5}) for s in (0, 1)],
        settings={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        hashes={HOSTILE: HOSTILE},
        pairs=[PicturePair(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8), HOSTILE)],
        rows_after=[*good.rows_after, row(HOSTILE, HOSTILE, None, note=HOSTILE)],
        notes=(HOSTILE,),
        descriptions={HOSTILE: HOSTILE},
    )
    text = report_html(nasty)
    assert leaks(text) == []
    assert "{{ 7*7 }}" in text.split("<title>")[1].split("</title>")[0]


def test_hostile_text_stays_text_in_every_field() -> None:
    page = Page(report_html(spoiled(told())))
    assert leaks(report_html(spoiled(told()))) == []
    assert page.named("script") == [] and HOSTILE.split(" ")[0] in page.text


def test_the_check_for_leaks_finds_planted_ones(good: ReportData) -> None:
    text = report_html(good)
    assert leaks(text) == []
    for planted in PLANTED:
        assert leaks(text.replace("</body>", planted + "</body>"))


def test_structure_can_be_read_aloud(good: ReportData) -> None:
    page = Page(report_html(good))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.named("html")[0].get("lang") == "en"
    assert len(page.named("caption")) == len(page.named("table")) > 0
    assert all(cell.get("scope") for cell in page.named("th"))
    assert all(image.get("alt") for image in page.named("img"))
    titles = {title.get("id") for title in page.named("title")}
    assert page.named("svg")
    assert all(d.get("role") == "img" and d.get("aria-labelledby") in titles for d in page.named("svg"))


def test_ids_are_unique_and_links_lead_somewhere(good: ReportData) -> None:
    page = Page(report_html(good))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {(a.get("href") or a.get("xlink:href") or "")[1:] for tag, a in page.tags if tag in ("a", "use")}
    assert targets <= set(ids)


def test_numbers_come_with_their_intervals_and_reasons(good: ReportData) -> None:
    text = Page(report_html(good)).text
    for expected in ("0.543", "0.523 to 0.563", "55.6 %", "not estimable", "only 4 false positives are expected"):
        assert expected in text


def test_what_is_never_claimed_is_said(good: ReportData) -> None:
    text = Page(report_html(good)).text.lower()
    for words in ("certified", "law|legal", "attack", "no label|unlabelled|not labelled"):
        assert re.search(words, text)


def test_without_a_reference_nothing_is_said_against_retraining(good: ReportData) -> None:
    alone = rows(0.543, 0.556)
    text = Page(report_html(replace(good, rows_after=alone, rows_references=(), rows_floor=(), reference=None))).text
    assert re.search(r"nothing can be said", text, re.I)
    assert "cannot be told from zero" not in text


def test_pictures_only_where_given(good: ReportData) -> None:
    assert Page(report_html(good)).named("img") == []
    pair = PicturePair(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 9, np.uint8))
    images = Page(report_html(replace(good, pairs=[pair]))).named("img")
    assert images and all((image["src"] or "").startswith("data:image/png;base64,") for image in images)


def test_the_same_data_give_the_same_page(good: ReportData, tmp_path: Path) -> None:
    render_report(good, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == report_html(good)
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_requests_come_with_their_dates_where_a_ledger_was_named(good: ReportData) -> None:
    text = Page(report_html(told())).text
    assert "7 2026-03-01 2026-04-01 (extended) open" in text and "No ledger was named" not in text
    assert "No ledger was named" in Page(report_html(good)).text


def test_people_are_numbered_and_the_page_says_so_unless_names_are_shown() -> None:
    assert "person 2 3 2" in Page(report_html(told())).text and "are numbered" in Page(report_html(told())).text
    named = replace(told(), people=[PersonLine("Ada", 4, 0)], names_shown=True)
    assert "Ada 4 0" in Page(report_html(named)).text and "are numbered" not in Page(report_html(named)).text


def test_the_verdict_comes_with_its_reasons_or_its_absence_is_said(good: ReportData) -> None:
    text = Page(report_html(told())).text
    for words in (
        "Distinguishable.",
        "One of two audits shows a gap.",
        "p = 0.001",
        "an AUROC of 0.71",
        "Over-forgetting",
    ):
        assert words in text
    assert "No verdict was made" in Page(report_html(good)).text and "No verdict was made" not in text


def test_a_verdict_is_not_said_twice() -> None:
    why = ["Distinguishable from retraining: one audit shows it.", "p = 0.001", "There is one reference."]
    text = Page(report_html(replace(told(), verdict={**VERDICT, "reasons": why}))).text
    assert "Verdict: Distinguishable from retraining: one audit shows it. There is one reference." in text
    assert "Distinguishable." not in text and text.count("p = 0.001") == 1


def test_what_was_not_measured_and_the_attestation_are_told(good: ReportData) -> None:
    text = Page(report_html(told())).text
    assert "klom: not run" in text and "ab" * 32 in text
    assert "nothing was signed" in Page(report_html(good)).text


def test_the_method_says_what_it_does_costs_and_when_it_fails() -> None:
    text = Page(report_html(told())).text
    assert "Pushes pictures apart." in text and "An epoch." in text and "There is little data." in text


def test_a_reader_without_a_mouse_can_skip_to_the_report(good: ReportData) -> None:
    page = Page(report_html(good))
    first = page.named("a")[0]
    assert first["class"] == "skip" and first["href"] == "#" + str(page.named("main")[0]["id"])


def test_no_class_is_told_by_colour_alone() -> None:
    key = MapKey(np.arange(8), np.zeros(8, bool), [])
    assert len({key.look(klass)[1] for klass in range(8)}) == 8
    assert len({key.look(klass) for klass in range(70)}) == 70
