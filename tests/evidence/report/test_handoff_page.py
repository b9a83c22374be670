"""The hand-off page and the model card: what an engineer finds on them, and that no value becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
import yaml

from expunge.evidence.report import CardFacts, Check, OnnxCheck, ReportData, handoff_html, model_card
from tests.evidence.report.pages import HOSTILE, Page, finished, handed, leaks, spoiled, told

COUNTS = {"retain": 9, "forget": 4, "tuning": 2, "reporting": 3}
FACTS = CardFacts("huggingface", {"age": ["young", "old"]}, (3, 32, 32), COUNTS)


def test_a_model_that_fits_is_said_to_fit() -> None:
    text = Page(handoff_html(handed())).text
    for words in ("takes the original's place as it is", "9 tensors", "runs/original", "aa" * 32, "bb" * 32, "dd" * 32):
        assert words in text
    assert "DIFFERENT" not in text


@pytest.mark.parametrize("checks", [[Check("shapes of the weights", False, "8 tensors")], []])
def test_a_model_that_does_not_fit_is_shouted(checks: list[Check]) -> None:
    text = Page(handoff_html(replace(handed(), checks=checks))).text
    assert "does NOT fit" in text and "Do not put it into service" in text


def test_a_model_that_did_not_change_is_shouted() -> None:
    assert "Nothing was erased" in Page(handoff_html(replace(handed(), changed=False))).text


def test_logits_are_numbered_through_all_attributes() -> None:
    assert "0 age young 1 age old 2 smiles no 3 smiles yes" in Page(handoff_html(handed())).text


def test_the_export_is_told_with_its_difference_and_tolerance() -> None:
    text = Page(handoff_html(handed())).text
    assert "equal answers" in text and "1e-07" in text and "0.0001 was allowed" in text


def test_what_was_not_checked_is_said() -> None:
    unchecked = OnnxCheck("m.onnx", "ff" * 32, 1, 20, unchecked="onnxruntime is not installed")
    text = Page(handoff_html(replace(handed(), onnx=unchecked))).text
    assert "Not checked: onnxruntime is not installed." in text and "equal answers." not in text
    assert "expunge export --run" in Page(handoff_html(replace(handed(), onnx=None))).text


def test_the_page_can_be_read_aloud() -> None:
    page = Page(handoff_html(handed()))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.named("caption")) == len(page.named("table")) > 0
    assert all(cell.get("scope") for cell in page.named("th"))
    assert page.named("html")[0].get("lang") == "en"


def test_hostile_text_stays_text_on_the_page() -> None:
    text = handoff_html(spoiled(handed()))
    assert leaks(text) == [] and HOSTILE.split(" ")[0] in Page(text).text


def test_the_card_has_what_hugging_face_reads() -> None:
    _, head, text = model_card(with_hashes(told()), FACTS).split("---\n", 2)
    assert yaml.safe_load(head)["pipeline_tag"] == "image-classification"
    titles = re.findall(r"^## (.*)", text, re.MULTILINE)
    assert titles == ["Intended use", "Data", "Method", "Metrics", "Verdict", "Limits", "Fingerprints"]
    for words in (
        "0.543 (0.523 to 0.563)",
        "klom: not run",
        "There is one reference.",
        "4 training",
        "Distinguishable.",
    ):
        assert words in text


def test_the_card_says_what_is_missing() -> None:
    alone = replace(with_hashes(finished()), rows_references=(), changed=False)
    text = model_card(alone, FACTS)
    assert "no retrained model" in text and "No verdict was made" in text and "Nothing was erased" in text


def test_hostile_text_stays_text_on_the_card() -> None:
    text = model_card(with_hashes(spoiled(told())), spoiled(FACTS))
    assert "<" not in text and "\u2028" not in text
    assert not re.search(r"(?<!\\)\[", text.partition("---\n\n")[2])
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines and {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {8}


def test_no_time_enters_the_card() -> None:
    timed = replace(with_hashes(told()), created="2026-03-01 12:00 UTC")
    assert model_card(timed, FACTS) == model_card(with_hashes(told()), FACTS)


def with_hashes(data: ReportData) -> ReportData:
    return replace(data, hashes={"pictures": "11" * 32, "weights": "22" * 32, "weights after": "33" * 32})
