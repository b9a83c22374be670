"""The page: every value escaped, nothing from outside, long lists cut with a word."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from expunge.evidence.preflight import (
    Class,
    Comparison,
    Cost,
    Doubt,
    Effect,
    Machine,
    Overlap,
    Preflight,
    SetSize,
    check_page,
    findings,
    shown_tables,
    verdict,
)
from expunge.evidence.preflight.page import LISTED

EVIL = "<script>alert('x')</script>\"'&\u202e\x00"


SETS = tuple(
    SetSize(name, int(size), 30, size, int(size))
    for name, size in {"forget": 100.0, "retain": 500.0, "tuning": 100.0, "reporting": 100.0}.items()
)


def facts(evil: str = "x") -> Preflight:
    """Everything that can hold a name holds this one."""
    entry = {"id": evil, "of": evil, "owner": evil}
    return Preflight(
        request={"subjects": 3, "pictures": 0},
        sets=SETS,
        overlaps=(Overlap("forget", "retain", 1, 2, 1, evil),),
        labels=(Doubt(evil, (evil, "b"), (evil, "d")),),
        owners=(Doubt("", (evil, "b"), (evil, "d")),),
        copies={
            "exact_moved": (entry,),
            "near_moved": (entry,),
            "near_review": ({**entry, "same_subject": False},),
            "dropped": ({**entry, "split": "tuning", "kind": "exact"},),
            "sentences": (evil,),
        },
        classes=(Class(evil, evil, 5, 0, 1, 0),),
        effects=(Effect("mia_auroc", 0.6, evil), Effect(evil, None, "", evil)),
        comparisons=(Comparison("tuning", 0.9, 0.001, 100, evil), Comparison("reporting", None, None, 3, evil)),
        costs=(Cost(evil, 1.0, 5.0, 2**31, evil), Cost("b", None, None, None, evil)),
        machine=Machine(evil, 2, 2**30, 3.0),
        unreadable=(evil,),
    )


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += attrs


def test_names_cannot_become_markup() -> None:
    data = facts(EVIL)
    page = check_page(data, findings(data))
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.seen and "<script" not in page and "&lt;script&gt;" in page
    assert not any(name.startswith("on") for name, _ in tags.attributes)


def test_the_page_loads_nothing() -> None:
    page = check_page(facts(), findings(facts()))
    assert (
        "default-src 'none'" in page
        and not re.search(r"(src|href)=\"(?!#)", page)
        and "http" not in page.replace("http-equiv", "")
    )


def test_the_page_is_read_by_headings_and_tables_have_captions() -> None:
    page = check_page(facts(), findings(facts()))
    assert page.count("<h1>") == 1 and page.count("<table>") == page.count("<caption>")
    links = set(re.findall(r'href="#([a-z-]+)"', page))
    assert links and links <= set(re.findall(r'id="([a-z-]+)"', page))


def test_every_finding_stands_on_the_page_in_words() -> None:
    data = facts()
    found = findings(data)
    page = check_page(data, found)
    assert len(found) > 5
    for one in found:
        assert f'id="finding-{one.key}"' in page and one.label in page


def test_long_lists_are_cut_and_say_so() -> None:
    many = tuple(Doubt("", (f"p{i}", "q"), ("a", "b")) for i in range(LISTED + 5))
    page = check_page(replace(facts(), owners=many), ())
    assert f"<td>p{LISTED - 1}, q" in page and f"<td>p{LISTED}, q" not in page and "check.json" in page


def test_the_same_facts_give_the_same_page() -> None:
    assert check_page(facts(), findings(facts())) == check_page(facts(), findings(facts()))


def test_stops_come_first() -> None:
    data = replace(facts(), comparisons=(Comparison("reporting", 0.99, 0.001, 100),))
    found = findings(data)
    assert found[0].key == "alien-reporting" and verdict(found) == "stop"


def test_two_comparisons_are_held_to_one_level() -> None:
    """A p-value that would do alone does not do beside another."""
    one, other = Comparison("tuning", 0.7, 0.007, 100), Comparison("reporting", 0.5, 0.8, 100)
    alone = {f.key for f in findings(replace(facts(), comparisons=(one,)))}
    both = {f.key for f in findings(replace(facts(), comparisons=(one, other)))}
    assert alone - both == {"unlike-tuning"}


def test_tables_are_full() -> None:
    for table in shown_tables(facts()):
        assert table.rows and all(len(row) == len(table.columns) for row in table.rows)
