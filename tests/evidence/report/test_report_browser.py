"""The pages in a real Chromium: what it fetches, complains about, shows to the eye, the keyboard and the printer."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from expunge.evidence.report import handoff_html, report_html, write_page
from tests.browser import CHROMIUM, DRIVER, FLAGS, TAB, Browser, browser
from tests.evidence.report.pages import Page, handed, spoiled, told

pytestmark = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="no Chromium on this machine")
PAGES = ("report", "handoff")
# every text that is seen, with its colour and the first ground behind it that is not transparent
FAINT = """
const lit = c => { const v = c / 255; return v <= .04045 ? v / 12.92 : Math.pow((v + .055) / 1.055, 2.4); };
const light = c => .2126 * lit(c[0]) + .7152 * lit(c[1]) + .0722 * lit(c[2]);
const parts = text => (text.match(/[\\d.]+/g) || []).map(Number);
const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const at = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || at.closest("title, style, metadata, .skip")) continue;
  const look = getComputedStyle(at), ink = parts(at.closest("svg") ? look.fill : look.color);
  let behind = at, ground = [255, 255, 255];
  while (behind) {
    const c = parts(getComputedStyle(behind).backgroundColor);
    if (c.length == 3 || c[3] === 1) { ground = c; break; }
    behind = behind.parentElement;
  }
  const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
  const contrast = (high + .05) / (low + .05);
  if (contrast < 4.5) found.push([at.tagName, walk.currentNode.data.trim(), contrast]);
}
return found;
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pages")
    write_page(report_html(told()), place / "report.html")
    write_page(handoff_html(handed()), place / "handoff.html")
    write_page(report_html(spoiled(told())), place / "hostile-report.html")
    write_page(handoff_html(spoiled(handed())), place / "hostile-handoff.html")
    return place


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.parametrize("name", [*PAGES, "hostile-report", "hostile-handoff"])
def test_nothing_is_fetched_and_nothing_goes_wrong(shown: Browser, place: Path, name: str) -> None:
    page = place / f"{name}.html"
    shown.fetched(), shown.said()
    shown.open(page)
    assert [address for address in shown.fetched() if not address.startswith("data:")] == [page.as_uri()]
    assert shown.said() == []


def test_what_a_page_fetches_and_says_is_seen(shown: Browser, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<script>console.error('x')</script><img src='http://127.0.0.1:9/a.png'>")
    shown.open(tmp_path / "bad.html")
    assert "http://127.0.0.1:9/a.png" in shown.fetched() and any("x" in line for line in shown.said())


@pytest.mark.parametrize("name", PAGES)
def test_every_text_stands_out(shown: Browser, place: Path, name: str) -> None:
    shown.open(place / f"{name}.html")
    assert shown.ask(FAINT) == []


def test_faint_text_is_found(shown: Browser, tmp_path: Path) -> None:
    (tmp_path / "faint.html").write_text("<p style='color: #999'>faint<p>clear")
    shown.open(tmp_path / "faint.html")
    assert [text for _, text, _ in shown.ask(FAINT)] == ["faint"]


@pytest.mark.parametrize("name", PAGES)
def test_the_tab_key_goes_through_the_page_in_its_order(shown: Browser, place: Path, name: str) -> None:
    shown.open(place / f"{name}.html")
    reachable = shown.ask("""return [...document.querySelectorAll("a[href], [tabindex='0']")].map(e => e.outerHTML)""")
    visited = []
    for _ in reachable:
        shown.press(TAB)
        visited.append(shown.ask("return document.activeElement.outerHTML"))
        assert shown.ask("return getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert visited == reachable and 'class="skip"' in visited[0]


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_as_wide_as_a_telephone(shown: Browser, place: Path, name: str) -> None:
    shown.call("POST", "/window/rect", {"width": 500, "height": 900})
    try:
        shown.open(place / f"{name}.html")
        assert shown.ask("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    finally:
        shown.call("POST", "/window/rect", {"width": 1200, "height": 900})


@pytest.mark.parametrize("name", PAGES)
def test_print_cuts_nothing_off(place: Path, tmp_path: Path, name: str) -> None:
    paper = tmp_path / "page.pdf"
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--no-pdf-header-footer"]
    command += [f"--print-to-pdf={paper}", (place / f"{name}.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert paper.read_bytes().startswith(b"%PDF")
    if (reader := shutil.which("pdftotext")) is None:
        pytest.skip("no pdftotext on this machine")
    printed = subprocess.run([reader, "-raw", paper, "-"], check=True, capture_output=True, text=True).stdout
    main = (place / f"{name}.html").read_text(encoding="utf-8").partition("<main")[2]
    text = Page(re.sub(r"<(nav|svg).*?</\1>", "", "<main" + main, flags=re.DOTALL)).text
    wanted = set(re.findall(r"[a-z]{5,}", text.lower()))
    # long words are broken at the ends of lines
    assert {word for word in wanted if word not in re.sub(r"\s+", "", printed.lower())} == set()
