"""The audit page: every part that was measured, a sentence for each that was not, nothing that leaves the page."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

from expunge.app.measure import plain
from expunge.evidence.report.auditfigures import Curve, relearning_words, roc_figure, roc_words
from expunge.evidence.report.auditpage import audit_page
from expunge.evidence.report.auditpeople import SHOWN
from expunge.evidence.report.wordings import wording
from expunge.evidence.report.words import number
from tests.evidence.report.pages import HOSTILE, VERDICT, Page, leaks, row, spoiled

MODELS = ("before", "after", "reference-1", "reference-2")


def audit(people: int = 30, name: str = "a") -> dict[str, Any]:
    one = plain(row("mia_auroc", "forget-vs-reporting", 0.61, reference=0.52))
    curve = [None, 0.05, 0.4, 1.0]
    curves = [{"attack": a, "model": m, "tpr": curve} for a in ("loss", "svc") for m in MODELS]
    lines = [{"column": "person", "group": str(i), "before": one, "after": one} for i in range(1, people + 1)]
    relearned = [
        {"part": part, "model": model, "steps": [0, 10], "loss": [2.0, 1.5], "accuracy": [0.1, 0.2]}
        for part in ("retain", "forget")
        for model in MODELS
    ]
    rows = [
        row("mia_auroc", "forget-vs-reporting", 0.61, reference=0.52),
        row("accuracy", "forget", 0.7, reference=0.5),
        row("accuracy", "reporting", 0.5, reference=0.5),
        row("lira_auroc", "forget-vs-reporting", 0.64, reference=0.55),
        row("residue_identity", "forget, late features", 0.31, reference=0.3),
        row("klom", "forget", 0.42, reference=0.4),
        row(name, "forget", None, note=name),
    ]
    beside = [row(one.name, one.split, one.reference) for one in rows if one.name != "klom"]
    return {
        "rows_before": plain([row("mia_auroc", "forget-vs-reporting", 0.83)]),
        "rows_after": plain(rows),
        "rows_reference": [plain(beside), plain(beside)],
        "rows_floor": [],
        "curves": {"fpr": [0.001, 0.01, 0.1, 1.0], "curves": curves},
        "people": {"rows": lines, "worst": None, "note": "How to read them."},
        "groups": [{"column": name, "group": name, "before": None, "after": one, "pictures": 9, "people": 3}],
        "relearning": {"curves": relearned},
        "verdict": VERDICT,
        "notes": [name],
    }


def page(found: dict[str, Any], title: str = "Audit", **around: Any) -> str:
    return audit_page(found, title=title, descriptions={}, **around)


def person(name: str, value: float, pictures: int, *, attack: str = "mia_auroc") -> dict[str, Any]:
    """The line of one person, before whom nothing was known."""
    note = "" if pictures >= 4 else f"only {pictures} of this person's pictures"
    after = replace(row(attack, "person-vs-reporting", value, reference=0.5), n=pictures, note=note, unit="auroc")
    return {"column": "person", "group": name, "before": None, "after": plain(after)}


def worst_off(*, first: int = 1) -> dict[str, Any]:
    """An audit whose most exposed people have too few pictures: `first` of them, then the one who is worst off."""
    found = audit()
    people = [person(str(100 + i), 0.99, 2) for i in range(first)] + [person("7", 0.91, 12), person("8", 0.6, 40)]
    worst = {"person": 7, "pictures": 12, "excess": 0.41, "expected": 0.11, "people": 2}
    return found | {"people": {"rows": people, "worst": worst, "note": "Chance makes it large."}}


def test_every_part_that_was_measured_stands_on_the_page() -> None:
    text = page(audit())
    assert len(re.findall("<svg", text)) == 3
    assert [h["id"] for h in Page(text).named("h2")] == [
        "verdict",
        "audited",
        "measured",
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


def test_every_value_stands_on_the_page_with_its_interval_its_number_and_what_retraining_shows() -> None:
    text = Page(page(audit())).text
    for name, value in (("LiRA", "64.0 %"), ("Identity readable inside the model", "31.0 %"), ("KLoM", "42.0 %")):
        line = text[text.index(f"{name}:") :]
        assert value in line[:200] and "1040 pictures" in line.replace(",", "")[:120]
    for words in ("62.0 to 66.0", "55.0 %", "read two thirds of the way", "not estimable", "What the measures mean"):
        assert words in text
    for title in ("attacks with shadow models find", "features inside the model?", "over many models?"):
        assert title in text


def test_no_column_is_shown_for_a_model_that_was_not_given() -> None:
    with_it, without = page(audit()), page(audit() | {"rows_before": []})
    start, end = "What was measured", "What the measures mean"
    tables = [Page(text).text.split(start)[-1].split(end)[0] for text in (with_it, without)]
    assert "Before" in tables[0] and "Before" not in tables[1]
    assert 'colspan="6"' in with_it and 'colspan="5"' in without


RUN = {
    "tier": "thorough",
    "shadows": {"halves": 32, "unlearned": 0, "retrained": 64},
    "references": [{"source": "/home/ada/model", "weights": "5c" * 32}],
    "pictures": {"forget": 9, "retain": 56, "tuning": 12, "reporting": 12},
    "request": {
        "subjects": 4,
        "pictures": 0,
        "near_review": [{"id": "ada.jpg", "of": "b.jpg", "owner": "Ada"}],
        "sentences": ["Unlabelled pictures are not found."],
    },
}


def test_what_was_audited_is_told_without_names_and_places_of_files() -> None:
    html = page(audit(), run=RUN, hashes={"request": "9e" * 32})
    text = Page(html).text
    for words in (
        "Tier of the audit thorough",
        "32 trained on halves of the pictures; 64 that never saw the erased pictures",
        "Retrained models to compare with 2",
        "Erased 1,040 pictures of 8 people",
        "Staying 56 pictures",
        "People asked for 4",
        "for a person to look at 1",
        "5c" * 32,
        "9e" * 32,
        "Unlabelled pictures are not found.",
    ):
        assert words in text, words
    assert not re.search(r"\bada\b|/home", html, re.I)


def test_without_the_run_around_it_nothing_is_made_up() -> None:
    text = Page(page(audit())).text
    assert "Tier of" not in text and "Shadow models" not in text and "Fingerprints" not in text
    assert "Retrained models to compare with none" in Page(page({})).text


def test_hostile_text_in_the_run_around_it_stays_text() -> None:
    text = page(audit(), run=spoiled(RUN) | {"pictures": {}, "shadows": {HOSTILE: 1}}, hashes={HOSTILE: HOSTILE})
    assert leaks(text) == [] and "alert('x')" in Page(text).text


def test_the_worst_off_is_whom_the_audit_names_not_the_first_line() -> None:
    text = Page(page(worst_off())).text
    for words in (
        "Worst off of 2 people with enough pictures to compare is person 7, with 12 pictures.",
        "The value of this person is 0.910 (95 % interval 0.890 to 0.930).",
        "The mean over all erased pictures is 0.610 (95 % interval 0.590 to 0.630).",
        "A retrained model shows 0.500 for the same person, and 0.520 over all erased pictures.",
        "the excess of this person over retraining is +0.410",
        "7 worst off",
        "only 2 of this person's pictures",
    ):
        assert words in text, words
    assert "100 worst off" not in text and text.count("Worst off") == 1


def test_the_worst_off_is_shown_though_many_with_few_pictures_stand_before() -> None:
    text = Page(page(worst_off(first=SHOWN + 5))).text
    assert "7 worst off 12" in text and "7 more people" in text


def test_nobody_is_called_worst_off_where_the_audit_names_nobody() -> None:
    assert "worst off" not in Page(page(audit())).text.lower()


def test_curves_come_with_the_numbers_on_both_sides() -> None:
    html = page(audit())
    sides = "Erased: 1,040 pictures of 8 people; never seen: 1,040 pictures of 8 people."
    assert Page(html).text.count(sides) >= 2  # for those who see, and for those who do not
    assert "(n = 1,040)" in html


def test_one_false_alarm_in_a_thousand_is_told_where_there_are_enough_pictures() -> None:
    few = Page(page(audit())).text
    assert "0.1 % false alarms is not estimable: that takes 10,000 never-seen pictures; there are 1,040 here." in few
    found = audit()
    for one in found["curves"]["curves"]:
        shares = {"before": 0.2, "after": 0.03, "reference-1": 0.01, "reference-2": 0.02}
        one["tpr"] = [shares[one["model"]] if one["attack"] == "svc" else None, 0.3, 0.4, 1.0]
    many = Page(page(found)).text
    assert "All signals together 20.0 % 3.0 % 1.5 % (1.0 to 2.0)" in many and "is not estimable: that takes" not in many


def test_the_curve_of_u_lira_is_not_told_as_if_it_accused_never_seen_people() -> None:
    found = audit()
    assert "U-LiRA accuses no" not in page(found)
    like = next(curve for curve in found["curves"]["curves"] if curve["model"] == "after")
    found["curves"]["curves"].append(like | {"attack": "u_lira"})
    found["rows_after"].append(plain(replace(row("u_lira_auroc", "forget", 0.6), n=77)))
    text = page(found)
    assert "U-LiRA accuses no never-seen pictures" in text and "U-LiRA beside references (n = 77)" in text


def test_groups_say_by_which_attack() -> None:
    found = audit()
    text = Page(page(found)).text
    assert "Attack by loss, by a," in text and "Attack by LiRA, by" not in text
    assert "a 9 of 3 people not measured" in text[text.index("Attack by loss, by a,") :].replace("\n", " ")
    found["groups_by_lira"] = [one | {"after": one["after"] | {"value": 0.8765}} for one in found["groups"]]
    text = Page(page(found)).text
    assert text.index("Attack by loss, by a,") < text.index("Attack by LiRA, by a,")
    assert number(0.8765, found["groups"][0]["after"]["unit"]) in text[text.index("Attack by LiRA, by a,") :]


def test_relearning_is_not_said_to_speak_of_models_that_still_know() -> None:
    says = wording("relearn_speed", {}).says
    assert "only of models that hid" in says and "low from the start" in says and "faster" not in says
    assert "says nothing here" in Page(page(audit())).text


def test_one_person_is_not_said_to_be_the_worst_of_many() -> None:
    found = worst_off()
    found["people"] = found["people"] | {"worst": found["people"]["worst"] | {"people": 1}}
    text = Page(page(found)).text
    assert "Only person 7 has enough pictures to compare: 12 pictures." in text and "Worst off of" not in text
