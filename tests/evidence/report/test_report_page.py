"""The finished page, through the public surface only: what must be on it, what must never be."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from expunge.evidence.report import (
    Costs,
    ModelView,
    PhaseLine,
    PicturePair,
    ProbePoint,
    ReportData,
    render_report,
    report_html,
)
from expunge.types import AuditRow

HOSTILE = "<script>alert('x')</script><img src=http://evil.example/a.png onerror=alert(1)> $x^ {{ 7*7 }} -- ]]> \u2028"
ADDRESSES = {"src", "href", "action", "data", "poster", "srcset", "formaction", "xlink:href"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(HTMLParser):
    """Every tag with its attributes, and the text outside of styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def leaks(text: str) -> list[str]:
    """Whatever would load, run or leave the page."""
    found = []
    for tag, attributes in Page(text).tags:
        if tag in ("script", "iframe", "object", "embed", "link", "base"):
            found.append(tag)
        for name, value in attributes.items():
            if name.startswith("on"):
                found.append(f"{tag} {name}")
            if name in ADDRESSES and not re.match(r"#|data:image/png;base64,", value or ""):
                found.append(f"{tag} {name}={value}")
    found += re.findall(r"@import\b.*|url\((?!['\"]?#)[^)]*\)", text)
    return found


def row(name: str, split: str, value: float | None, *, reference: float | None = None, note: str = "") -> AuditRow:
    unit = "auroc" if name == "mia_auroc" else "share"
    if value is None:
        return AuditRow(name, split, None, None, None, 40, 8, unit, "reference", note=note)
    gap = None if reference is None else value - reference
    low, high = (None, None) if gap is None else (gap - 0.02, gap + 0.02)
    return AuditRow(
        name, split, value, value - 0.02, value + 0.02, 1040, 8, unit, "reference", reference, gap, low, high, note
    )


def rows(auroc: float, accuracy: float, *, reference: tuple[float, float] | None = None) -> list[AuditRow]:
    attack, skill = reference or (None, None)
    return [
        row("mia_auroc", "forget-vs-reporting", auroc, reference=attack),
        row("accuracy", "reporting", accuracy, reference=skill),
        row("tpr_at_1pct_fpr", "forget-vs-reporting", None, note="only 4 false positives are expected"),
    ]


def view(seed: int) -> ModelView:
    draw = np.random.default_rng(seed)
    return ModelView(draw.gamma(1, 1, 40), draw.gamma(1, 1, 40), draw.normal(size=(24, 6)).astype(np.float32))


@pytest.fixture(scope="module")
def good() -> ReportData:
    """A finished run with two references and nothing to worry about."""
    return ReportData(
        run_id="abc123",
        title="Erasure report",
        method="dlfd",
        method_summary="Pushes pictures apart.",
        request={"subjects": ["person-a", "person-b"]},
        findings={},
        rows_before=rows(0.731, 0.536),
        rows_after=rows(0.543, 0.556, reference=(0.524, 0.535)),
        rows_references=[rows(0.52, 0.53), rows(0.528, 0.54)],
        rows_floor=[row("mia_auroc", "forget-vs-reporting", 0.011)],
        before=view(0),
        after=view(1),
        reference=view(2),
        changed=True,
        costs=Costs(10.0, 312.0, 2.0, 400.0),
        feature_classes=np.arange(24) % 3,
        feature_forget=np.arange(24) < 8,
        class_names=("young", "middle", "old"),
        phases=[PhaseLine("distance", "Train", 182, "stopped", 9.0, 8.0, 11648)],
        probes=[
            ProbePoint("distance", s, {"auroc": 0.7 - s / 99, "target": 0.55, "gap": 0.1}) for s in range(0, 40, 10)
        ],
        settings={"seed": 0, "method": {"set": {"lr": 0.1}}},
        versions={"torch": "2.13"},
        hashes={"weights": "7e" * 32},
    )


PLANTED = ("<script></script>", "<img src='http://a.b/c'>", "<p onclick='x()'>", "<style>a{b:url(//c.d)}</style>")
ALERTS = {
    "unchanged": ({"changed": False}, re.compile(r"nothing was erased", re.I)),
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
    assert "{{ 7*7 }}" in text and "49" not in Page(text).named("title")


def test_the_check_for_leaks_finds_planted_ones(good: ReportData) -> None:
    text = report_html(good)
    assert leaks(text) == []
    for planted in (
        "<script></script>",
        "<img src='http://a.b/c'>",
        "<p onclick='x()'>",
        "<style>a{b:url(//c.d)}</style>",
    ):
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
    assert all(drawing.get("role") == "img" for drawing in page.named("svg"))


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


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_real_browser_shows_and_prints_it(good: ReportData, tmp_path: Path) -> None:
    render_report(good, tmp_path / "report.html")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    quiet += [
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    page = (tmp_path / "report.html").as_uri()
    command = [str(CHROMIUM), *quiet]
    subprocess.run(
        [*command, f"--print-to-pdf={tmp_path / 'r.pdf'}", page], check=True, capture_output=True, timeout=60
    )
    shown = subprocess.run([*command, "--dump-dom", page], check=True, capture_output=True, timeout=60, text=True)
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    assert len(Page(shown.stdout).named("svg")) == len(Page(report_html(good)).named("svg"))
